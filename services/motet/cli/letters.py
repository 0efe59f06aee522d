"""Which dead letters a person means, and what one looks like. Reads; changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

from motet.chassis.codec import Codec
from motet.chassis.durations import duration_of
from motet.chassis.errors import ConfigurationError, Undecodable
from motet.cli.connection import reader
from motet.cli.output import rows_of

# A dead letter in another state is none any more.
STILL_THERE: Final = ("OPEN", "FAILED_AGAIN")
STATES: Final = ("OPEN", "FAILED_AGAIN", "REDRIVEN", "DISCARDED")
IDENTIFIER: Final = re.compile(r"[0-9a-f]{4,32}")
SHOWN_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters: those of which everything that is named is so."""

    service: str | None = None
    topic: str | None = None
    code: str | None = None
    key: str | None = None
    since: datetime | None = None
    states: tuple[str, ...] = ()

    @property
    def names_something(self) -> bool:
        """Whether it leaves anything out."""
        return any(getattr(self, one.name) for one in fields(self))

    def condition(self) -> tuple[str, list[Any]]:
        """As SQL, with its parameters."""
        equal = {"service": self.service, "topic": self.topic, "code": self.code, "key_text": self.key}
        parts = [f"{column} = %s" for column, value in equal.items() if value is not None]
        values: list[Any] = [value for value in equal.values() if value is not None]
        if self.since is not None:
            parts.append("appended_at >= %s")
            values.append(self.since)
        parts.append("state = ANY(%s)")
        values.append(list(self.states or STILL_THERE))
        return " AND ".join(parts), values


def since(text: str | None, now: datetime) -> datetime | None:
    """A time as a person writes it: `90s`, `15m`, `2h`, `3d` ago, or ISO 8601, in UTC where it says nothing else."""
    if text is None:
        return None
    ago = duration_of(text)
    try:
        if ago is not None:
            return now - ago
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"--since {text!r}: write 90s, 15m, 2h or 3d, or a time such as 2026-11-24T20:30"
        ) from error
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def states(named: Sequence[str] | None) -> tuple[str, ...]:
    """The states that are named. Raises ConfigurationError for one that there is not."""
    upper = tuple(one.upper() for one in named or ())
    wrong = [one for one in upper if one not in STATES]
    if wrong:
        raise ConfigurationError(f"--state {wrong[0]!r}: it is one of {', '.join(STATES)}")
    return upper


def find(wanted: Filter, tenant: str | None, limit: int, *, oldest_first: bool) -> tuple[list[dict[str, Any]], int]:
    """The letters that a filter leaves, and how many they are beyond the limit."""
    condition, values = wanted.condition()
    # Whoever runs it again comes to those that were not tried yet, before those that failed.
    order = "repaired_at NULLS FIRST, appended_at" if oldest_first else "appended_at DESC"
    query = f'SELECT *, count(*) OVER () AS matching FROM dead_letters WHERE {condition} ORDER BY {order}, topic, partition, "offset" LIMIT %s'
    with reader(tenant) as connection:
        rows = rows_of(connection.execute(query.encode(), (*values, limit)))
    more = rows[0]["matching"] - len(rows) if rows else 0
    return [{name: value for name, value in row.items() if name != "matching"} for row in rows], more


def named(identifier: str, tenant: str | None) -> dict[str, Any]:
    """The letter that an id, or the beginning of one, names. Raises ConfigurationError if it is none, or several."""
    if not IDENTIFIER.fullmatch(identifier):
        raise ConfigurationError(
            f"{identifier!r} is no dead letter's id: 32 hex digits, or the first 4 of them or more"
        )
    with reader(tenant) as connection:
        query = "SELECT * FROM dead_letters WHERE starts_with(event_id, %s) ORDER BY event_id LIMIT 3"
        found = rows_of(connection.execute(query, (identifier,)))
    if not found:
        raise ConfigurationError(
            f"there is no dead letter {identifier}: is the projector running? (`motet status`, `motet dead-letters list`)"
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"several dead letters begin with {identifier}: {', '.join(one['event_id'] for one in found)}"
        )
    return found[0]


def place(row: dict[str, Any]) -> str:
    """Where a letter's record stands."""
    return f"{row['topic']}:{row['partition']}:{row['offset']}"


def content(codec: Codec, value: bytes | None) -> tuple[str, Any]:
    """A value for people: what it is, and a record's fields, or the beginning of what cannot be read."""
    if value is None:
        return "null", None
    try:
        record = codec.decode(value)
    except Undecodable:
        return f"{len(value)} bytes that no schema reads", excerpt(value)
    return record.FULL_NAME, record.to_avro()


def excerpt(value: bytes) -> str:
    """The beginning of bytes: as text where they are text, else in hex."""
    part = value[:SHOWN_BYTES]
    more = "…" if len(value) > SHOWN_BYTES else ""
    try:
        text = part.decode()
    except UnicodeDecodeError:
        return part.hex(" ", 2) + more
    return (text if text.isprintable() else part.hex(" ", 2)) + more


def expected(codec: Codec, row: dict[str, Any]) -> str:
    """What a redrive is going to do, as far as the record itself tells."""
    if row["code"] == "NOT_ON_A_LANE":
        return "will fail again: only Motet's services write there; discard it"
    try:
        record = codec.decode(row["value"])
    except Undecodable as error:
        return f"will fail again: {error}"
    return f"hands the {record.FULL_NAME.rpartition('.')[2]} to {row['service']} once more"


def as_json(row: dict[str, Any]) -> dict[str, Any]:
    """A letter for programs: bytes in hex, headers as values."""
    shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()}
    headers = row.get("headers")
    return shown | {"headers": json.loads(headers) if isinstance(headers, str) else headers}
