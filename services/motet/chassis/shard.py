"""A shard: one partition number of one service over all its input topics, as its rows say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from motet.chassis.errors import DatabaseBehindLog, Fenced, Refused
from motet.chassis.lanes import Place
from motet.chassis.log_clock import LogClock


@dataclass(slots=True)
class Suspect:
    """The record that a cautious shard was about to take, and how often a process died over it."""

    where: str
    deaths: int


@dataclass(slots=True)
class Shard:
    """The rows of one shard in memory. Only a hop moves them, in memory and in PostgreSQL alike."""

    partition: int
    epoch: int = 0
    next_position: int = 0
    hlc: int = 0
    starts: int = 0
    suspect: Suspect | None = None
    offsets: dict[str, int] = field(default_factory=dict)
    lanes_out: dict[tuple[str, int], Place] = field(default_factory=dict)
    lanes_in: dict[tuple[str, str, int], Place] = field(default_factory=dict)
    parked: dict[bytes, str] = field(default_factory=dict)
    clock: LogClock = field(default_factory=LogClock)
    # When it was noted last that somebody's clock is ahead, by the log's time in milliseconds.
    noted_at: int = 0


def claim(connection: psycopg.Connection[Any], partition: int, topics: tuple[str, ...]) -> Shard:
    """Takes a shard's row for this process: whoever had it is refused from here on."""
    with connection.transaction():
        connection.execute("INSERT INTO shard (partition) VALUES (%s) ON CONFLICT DO NOTHING", (partition,))
        connection.execute(
            "UPDATE shard SET epoch = epoch + 1, starts = starts + 1 WHERE partition = %s",
            (partition,),
        )
        for topic in topics:
            connection.execute(
                "INSERT INTO shard_offset (partition, topic, next_offset) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING",
                (partition, topic),
            )
        return load(connection, partition, topics)


def load(connection: psycopg.Connection[Any], partition: int, topics: tuple[str, ...]) -> Shard:
    """Reads a shard's rows."""
    row = connection.execute(
        "SELECT epoch, next_position, hlc, starts, suspect, suspect_deaths, (extract(epoch FROM clock_timestamp()) * 1000)::bigint "
        "FROM shard WHERE partition = %s",
        (partition,),
    ).fetchone()
    if row is None:
        raise Fenced(f"shard {partition} has no row")
    epoch, next_position, hlc, starts, suspect, deaths, now = row
    shard = Shard(partition, epoch, next_position, hlc, starts, Suspect(suspect, deaths) if suspect else None)
    shard.clock = LogClock(now)
    offsets = dict(
        connection.execute("SELECT topic, next_offset FROM shard_offset WHERE partition = %s", (partition,)).fetchall()
    )
    shard.offsets = {topic: offsets[topic] for topic in topics}
    for topic, destination, number, digest in connection.execute(
        "SELECT topic, destination, number, digest FROM lane_out WHERE partition = %s", (partition,)
    ):
        shard.lanes_out[topic, destination] = Place(number, digest)
    for topic, service, source, number, digest in connection.execute(
        "SELECT topic, service, shard, number, digest FROM lane_in WHERE partition = %s", (partition,)
    ):
        shard.lanes_in[topic, service, source] = Place(number, digest)
    shard.parked = dict(
        connection.execute("SELECT key, reason FROM parked_key WHERE partition = %s", (partition,)).fetchall()
    )
    return shard


def left_in_order(connection: psycopg.Connection[Any], shard: Shard) -> None:
    """Says that this owner did not die over the shard, unless another has it already."""
    connection.execute(
        "UPDATE shard SET starts = 0 WHERE partition = %s AND epoch = %s", (shard.partition, shard.epoch)
    )


def mark_suspect(connection: psycopg.Connection[Any], shard: Shard, where: str, marked: dict[int, str]) -> int:
    """Writes down which record a cautious shard takes next; returns how often a process died over it already.

    `marked` is what this process wrote down last, by shard. It lives: whatever its hop failed over, a database that was full for instance,
    it did not die over that record.
    """
    outlived = marked.get(shard.partition) == where
    deaths = shard.suspect.deaths + (not outlived) if shard.suspect and shard.suspect.where == where else 0
    with connection.transaction():
        cursor = connection.execute(
            "UPDATE shard SET suspect = %s, suspect_deaths = %s WHERE partition = %s AND epoch = %s",
            (where, deaths, shard.partition, shard.epoch),
        )
        if cursor.rowcount != 1:
            raise Fenced(f"shard {shard.partition} has another owner")
    marked[shard.partition] = where
    return deaths


def check_committed(shard: Shard, committed: dict[str, int], service: str) -> None:
    """Refuses a database that is older than the log."""
    for topic, offset in committed.items():
        if offset > shard.offsets[topic]:
            raise DatabaseBehindLog(
                f"{service}, shard {shard.partition}: the group committed {topic} up to offset {offset}, and the database has "
                f"{shard.offsets[topic]}. The database is older than the log (a restored backup?). Run `motet recover {service}`: "
                "it replays what is missing before any effect may run again"
            )


def published_to(metadata: Sequence[str | None]) -> int | None:
    """Up to which outbox position a shard is published, by what the group committed beside its offsets: 0 if it committed none.

    None if there are offsets and no position with any: Motet never commits the one without the other.
    """
    told = [int(one) for one in metadata if one]
    return max(told) if told else None if metadata else 0


def check_rows(first: int | None, count: int, published: int | None, shard: Shard, service: str) -> None:
    """Refuses an outbox in which rows are missing that the group has not covered."""
    watermark = published or 0
    due = shard.next_position - watermark
    if due < 0:
        raise DatabaseBehindLog(
            f"{service}, shard {shard.partition}: the group says published up to position {watermark}, and the database has "
            f"{shard.next_position}. Run `motet recover {service}`"
        )
    if count == due and (not count or first == watermark):
        return
    if published is None:
        raise Refused(
            f"{service}, shard {shard.partition}: the group has offsets without an outbox position, so they were set by somebody else, and of "
            f"{shard.next_position} positions nobody knows which are published; the outbox has {count}. Run `motet recover {service}`: it finds out "
            "from the topics, before any effect may run again"
        )
    raise Refused(
        f"{service}, shard {shard.partition}: positions {watermark} to {shard.next_position} are not published yet, and the "
        f"outbox has {count} of {due} rows. Somebody deleted rows; restore them from a backup"
    )


# One statement is one round trip: a hop has few, and waits for each.
MOVE: Final = """
WITH
    own AS (
        UPDATE shard SET next_position = %s, hlc = %s, starts = 0, suspect = NULL, suspect_deaths = 0
        WHERE partition = %s AND epoch = %s AND next_position = %s
        RETURNING 1
    ),
    taken AS (
        UPDATE shard_offset SET next_offset = moved.after
        FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS moved (topic, before, after)
        WHERE partition = %s AND shard_offset.topic = moved.topic AND next_offset = before
        RETURNING 1
    ),
    heard AS (
        INSERT INTO lane_in (partition, topic, service, shard, number, digest)
        SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::int[], %s::bigint[], %s::bytea[])
        ON CONFLICT (partition, topic, service, shard) DO UPDATE SET number = excluded.number, digest = excluded.digest
    ),
    said AS (
        INSERT INTO lane_out (partition, topic, destination, number, digest)
        SELECT %s, * FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bytea[])
        ON CONFLICT (partition, topic, destination) DO UPDATE SET number = excluded.number, digest = excluded.digest
    )
SELECT (SELECT count(*) FROM own), (SELECT count(*) FROM taken)
"""


def move(
    connection: psycopg.Connection[Any],
    shard: Shard,
    position: int,
    moved: Mapping[str, tuple[int, int]],
    heard: Collection[tuple[str, str, int]],
    said: Collection[tuple[str, int]],
) -> bool:
    """Moves a shard's rows from the values expected, and saves the lanes that it heard and said something on.

    `moved` has each topic's offset before and after. False if the rows are not where this owner left them.
    """
    number = shard.partition
    own = (position, shard.hlc, number, shard.epoch, shard.next_position)
    taken = columns(3, [(topic, *both) for topic, both in moved.items()])
    lanes_in = columns(5, [(*lane, *place(shard.lanes_in[lane])) for lane in sorted(heard)])
    lanes_out = columns(4, [(*lane, *place(shard.lanes_out[lane])) for lane in sorted(said)])
    row = connection.execute(MOVE, (*own, *taken, number, number, *lanes_in, number, *lanes_out)).fetchone()
    return row == (1, len(moved))


def place(at: Place) -> tuple[int, bytes]:
    """A place's columns."""
    return at.number, at.digest


def columns(width: int, rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as lists of columns, as unnest takes them."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
