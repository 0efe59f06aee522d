"""`motet lineage`: what led to a record, and what it led to; or a plan's story as W3C PROV or OpenLineage."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from importlib.metadata import version
from typing import Annotated, Any, Final, Literal

import psycopg
import typer
from rich.markup import escape

from motet.archive import opened, schemas_of
from motet.chassis.codec import Codec
from motet.chassis.cuts import Place
from motet.chassis.errors import ConfigurationError, Undecodable
from motet.cli.connection import reader, settings
from motet.cli.output import JsonOption, console, rows_of, show
from motet.cli.plans import plan_named
from motet.client.summary import summary

EVENT_ID: Final = re.compile("[0-9a-f]{32}")
# Records of a partition that are at most so far apart are read at one go.
NEAR: Final = 500
PRODUCER: Final = "urn:motet"

Row = dict[str, Any]
Records = dict[tuple[str, int, int], Any]


def lineage(
    record: Annotated[
        str,
        typer.Argument(help="An event's id; a plan's id, or its first digits; or a place such as motet.events:2:1734."),
    ],
    steps: Annotated[int, typer.Option("--steps", min=1, help="So many steps up, and down, at most.")] = 1_000,
    as_: Annotated[
        Literal["prov", "openlineage"] | None,
        typer.Option("--as", help="The plan's story in the words of W3C PROV (PROV-JSON) or OpenLineage (run events)."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """What led to a record, back to the command at the door, and all that it led to."""
    with reader() as connection:
        name, plan_id = found(connection, record)
        if as_ is not None:
            show(exported(connection, record, plan_id, as_))
            return
        causes = rows_of(connection.execute("SELECT * FROM causes_of(%s, %s)", (name, steps)))
        effects = rows_of(connection.execute("SELECT * FROM effects_of(%s, %s)", (name, steps)))
    if not causes and not effects:
        raise ConfigurationError(
            f"nothing in SQL says what {record} led to: perhaps the projector is behind (`motet status`), or it is a record that no "
            "table knows, such as a journal's"
        )
    if json:
        show({"record": name, "causes": causes, "effects": effects})
        return
    above = [row for row in causes if row["step"] > 0]
    # A command is no row: its place is all that SQL knows of it.
    itself = [] if any(row["step"] == 0 for row in effects) else causes[:1] or [command_at(name)]
    shown = [*reversed(above), *itself, *effects]
    records = read(shown)
    for depth, row in enumerate(reversed(above)):
        say(row, depth, records)
    for row in (*itself, *effects):
        # What was asked about, where something stands above it.
        say(row, len(above) + row["step"], records, "▸ " if above and row["step"] == 0 else "")


def command_at(name: str) -> Row:
    """What came in by the door, as a row."""
    place = Place.read(name)
    topic, partition, offset = (None, None, None) if place is None else (place.topic, place.partition, place.offset)
    return {
        "step": 0,
        "effect": name,
        "type": "",
        "plan_id": "",
        "topic": topic,
        "partition": partition,
        "offset": offset,
    }


def found(connection: psycopg.Connection[Any], what: str) -> tuple[str, str | None]:
    """The record that is meant, by the name that others call it by as their cause, and its plan."""
    place = Place.read(what)
    if place is not None:
        query = 'SELECT effect, plan_id FROM lineage WHERE topic = %s AND partition = %s AND "offset" = %s'
        row = connection.execute(query, (place.topic, place.partition, place.offset)).fetchone()
        # A command is its place.
        return (what, None) if row is None else (row[0], row[1] or None)
    if EVENT_ID.fullmatch(what):
        row = connection.execute(
            "SELECT effect, plan_id FROM lineage WHERE effect = %s OR via = %s LIMIT 1", (what, what)
        ).fetchone()
        if row is not None:
            return what, row[1] or None
    plan = plan_named(connection, what)
    query = (
        "SELECT cause FROM lineage WHERE plan_id = %s AND type IN ('PlanAdmitted', 'PlanRejected') ORDER BY hlc LIMIT 1"
    )
    row = connection.execute(query, (plan["plan_id"],)).fetchone()
    if row is None:
        raise ConfigurationError(
            f"the events of plan {plan['plan_id']} are not in SQL yet: `motet status` shows how far the projector is"
        )
    return row[0], plan["plan_id"]


def exported(connection: psycopg.Connection[Any], what: str, plan_id: str | None, form: str) -> Any:
    """A plan's story as others write it."""
    from motet import provenance  # noqa: PLC0415  the records of deciders are needed by this form alone

    # A command of a plan has a row where it names its cause; it is its client's, and no event.
    query = "SELECT * FROM lineage WHERE plan_id = %s AND type <> 'SubmitPlan' ORDER BY hlc"
    rows = [] if plan_id is None else rows_of(connection.execute(query, (plan_id,)))
    found = read(rows)
    gone = [place for row in rows if (place := (row["topic"], row["partition"], row["offset"])) not in found]
    if gone:
        raise ConfigurationError(
            f"{len(gone)} of the plan's {len(rows)} records are not in the log any more, or cannot be read, the first at "
            f"{':'.join(map(str, gone[0]))}: half a story is none. If they were archived, set MOTET_ARCHIVE_DIRECTORY"
        )
    records = list(found.values())
    told = provenance.story(records)
    if told is None:
        raise ConfigurationError(
            f"{what} belongs to no plan that was admitted: only a plan's story can be written as {form}"
        )
    if form == "prov":
        return provenance.prov.document(told, records)
    return provenance.openlineage.events(told, f"{PRODUCER}:{version('motet')}")


def read(rows: Sequence[Row]) -> Records:
    """The records themselves, from the log, by place; what is not there any more, or cannot be read, is left out."""
    from motet.chassis.registry import Registry  # noqa: PLC0415  its sign-in takes long to load

    where = settings()
    wanted = {(row["topic"], row["partition"], row["offset"]) for row in rows if row["topic"] is not None}
    records: Records = {}
    with closing(Registry(where.schema_registry_url)) as registry, closing(opened(where)) as log:
        codec = Codec(schemas_of(where, registry))
        bounds = log.bounds(sorted({(topic, partition) for topic, partition, _ in wanted}))
        for ranges in passes(one for one in wanted if one[2] >= bounds[one[0], one[1]].begin):
            for batch in log.read(ranges):
                for message in batch:
                    place = (message.topic, message.partition, message.offset)
                    if place in wanted:
                        try:
                            records[place] = codec.decode(message.value)
                        except Undecodable:
                            continue
    return records


def passes(places: Iterable[tuple[str, int, int]]) -> Iterator[dict[tuple[str, int], tuple[int, int]]]:
    """Ranges to read, each partition at most once a pass: near records together, and what lies far between them not at all."""
    left: dict[tuple[str, int], list[int]] = {}
    for topic, partition, offset in sorted(places, reverse=True):
        left.setdefault((topic, partition), []).append(offset)
    while left:
        ranges = {}
        for place in sorted(left):
            offsets = left[place]
            begin = end = offsets.pop()
            while offsets and offsets[-1] - end <= NEAR:
                end = offsets.pop()
            ranges[place] = (begin, end + 1)
            if not offsets:
                del left[place]
        yield ranges


def say(row: Row, depth: int, records: Records, mark: str = "") -> None:
    """One record on one line, as far to the right as it is steps from the first."""
    place = (row["topic"], row["partition"], row["offset"])
    record = records.get(place)
    where = row["effect"] if row["topic"] is None else ":".join(map(str, place))
    kind = row["type"] or ("" if record is None else type(record).__name__)
    told = "" if record is None else summary(record)
    line = f"{'  ' * depth}{mark}[bold]{escape(kind) or '?'}[/] [dim]{escape(where)}[/]"
    if row["plan_id"]:
        line += f" plan {escape(row['plan_id'][:8])}"
    console.print(f"{line}  {escape(told)}".rstrip(), soft_wrap=True)
