"""Records that several regions write, each in its own toolset: version vectors, and a hook for what was written at once.

    profiles = Replicated("profile", region="eu", merge=union)
    tools = Toolset("profiles-eu", schema=profiles.schema)

    @tools.tool(effect="transactional", writes="profile:{record}")
    def put(context: Context, record: str, tags: list[str]) -> list[Update]:
        \"\"\"Writes a profile; returns what the other regions have to hear.\"\"\"
        return profiles.write(context, record, tags)

    @tools.tool(effect="transactional", writes="profile:{record}")
    def hear(context: Context, record: str, update: Update) -> Heard:
        \"\"\"Takes another region's update.\"\"\"
        return profiles.hear(context, record, update)

An update that knew of what is here takes its place, one that was known is dropped, and of two that did not know of each other both are kept:
`merge` is asked what they mean together, whenever the record is read, with all values in one order; without it the row says that it is in
conflict, and has all of them. Updates may come in any order and as often as they like: all regions come to the same bytes. The way between
regions is whatever carries calls: a plan that gives one toolset's result to another's tool is one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, JsonValue

from motet.chassis.canonical import NotCanonical, canonical_json
from motet.chassis.errors import ConfigurationError
from motet.tools.context import Context
from motet.tools.failure import ToolFailed
from motet.versions import BadVector, Replica, Sibling, Vector
from motet.versions.replica import Arrival

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
BAD_UPDATE: Final = "BAD_UPDATE"
Merge = Callable[[Sequence[Any]], Any]
DDL: Final = """
CREATE TABLE IF NOT EXISTS {name} (
    tenant text NOT NULL,
    record text NOT NULL,
    vector text NOT NULL,
    value text,
    conflict boolean NOT NULL,
    siblings text NOT NULL,
    PRIMARY KEY (tenant, record)
);
COMMENT ON TABLE {name} IS 'Records that other regions write as well.';
COMMENT ON COLUMN {name}.vector IS 'The writes of each region that are in it.';
COMMENT ON COLUMN {name}.value IS 'Its value as canonical JSON; null while it is in conflict.';
COMMENT ON COLUMN {name}.conflict IS 'True if writes of several regions did not know of each other, and nobody says what they mean together.';
COMMENT ON COLUMN {name}.siblings IS 'These writes as canonical JSON: vector, region and value each.';
"""


class Update(BaseModel):
    """A write as it goes to other regions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vector: str
    region: str
    value: JsonValue


class Heard(BaseModel):
    """What an update was to this region: NEWER, OLDER, REPEATED or CONCURRENT; and what the record is now."""

    model_config = ConfigDict(frozen=True)

    arrival: Arrival
    vector: str
    value: JsonValue
    conflict: bool


class Replicated:
    """A kind of records in a toolset's own schema, as one region keeps it."""

    def __init__(self, name: str, region: str, merge: Merge | None = None) -> None:
        if not NAME.fullmatch(name):
            raise ConfigurationError(
                f"replicated records {name!r}: a lower-case letter, then letters, digits, underscores"
            )
        try:
            Vector().bump(region)
        except BadVector as error:
            raise ConfigurationError(f"replicated records {name}: {error}") from error
        self.name, self.region, self.merge = name, region, merge
        self.schema = DDL.format(name=name)

    def write(self, context: Context, record: str, value: Any) -> list[Update]:
        """This region writes a record, on top of all that it has heard. Returns what the others have to hear."""
        try:
            written = self._locked(context, record).write(self.region, canonical_json(value))
        except (BadVector, NotCanonical) as error:
            raise ToolFailed(f"{self.name} {record}: {error}", BAD_UPDATE) from error
        self._save(context, record, written)
        return updates(written)

    def hear(self, context: Context, record: str, update: Update) -> Heard:
        """Another region's write arrives. Raises ToolFailed BAD_UPDATE for what is none."""
        try:
            sibling = Sibling.received(update.vector, update.region, canonical_json(update.value))
            copy = self._locked(context, record)
            arrival, joined = copy.arrival(sibling), copy.join(Replica((sibling,)))
            # Regions beyond the limit are refused before they are in.
            vector = joined.vector
        except (BadVector, NotCanonical) as error:
            raise ToolFailed(f"{self.name} {record}: no update: {error}", BAD_UPDATE) from error
        if joined != copy:
            self._save(context, record, joined)
        value, conflict = self._meaning(joined)
        return Heard(arrival=arrival, vector=vector.text, value=value, conflict=conflict)

    def read(self, context: Context, record: str) -> Heard | None:
        """What the record is here; None if nobody wrote it."""
        copy = self._find(context, record, "")
        if not copy.siblings:
            return None
        value, conflict = self._meaning(copy)
        return Heard(arrival="REPEATED", vector=copy.vector.text, value=value, conflict=conflict)

    def updates(self, context: Context, record: str) -> list[Update]:
        """What another region has to hear to know all that this one knows."""
        return updates(self._find(context, record, ""))

    def _meaning(self, copy: Replica) -> tuple[Any, bool]:
        """The value, or the merge function's word on several; and whether they are in conflict."""
        values = [json.loads(one.value) for one in copy.siblings]
        if len(values) == 1:
            return values[0], False
        return (None, True) if self.merge is None else (self.merge(values), False)

    def _locked(self, context: Context, record: str) -> Replica:
        """The copy that is there, until the transaction ends nobody else's."""
        context.connection.execute(
            f"INSERT INTO {self.name} VALUES (%s, %s, '', NULL, false, '[]') ON CONFLICT DO NOTHING".encode(),
            (context.tenant, record),
        )
        return self._find(context, record, "FOR UPDATE")

    def _find(self, context: Context, record: str, lock: str) -> Replica:
        row = context.connection.execute(
            f"SELECT siblings FROM {self.name} WHERE tenant = %s AND record = %s {lock}".encode(),
            (context.tenant, record),
        ).fetchone()
        kept = [] if row is None else json.loads(row[0])
        return Replica(tuple(Sibling(Vector.parse(vector), region, value) for vector, region, value in kept))

    def _save(self, context: Context, record: str, copy: Replica) -> None:
        value, conflict = self._meaning(copy)
        kept = canonical_json([[one.vector.text, one.region, one.value] for one in copy.siblings])
        shown = None if conflict else canonical_json(value)
        context.connection.execute(
            f"UPDATE {self.name} SET vector = %s, value = %s, conflict = %s, siblings = %s WHERE tenant = %s AND record = %s".encode(),
            (copy.vector.text, shown, conflict, kept, context.tenant, record),
        )


def updates(copy: Replica) -> list[Update]:
    """A copy's writes as they go to other regions."""
    return [Update(vector=one.vector.text, region=one.region, value=json.loads(one.value)) for one in copy.siblings]
