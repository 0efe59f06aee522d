"""A shard's outbox: what it publishes, as rows that are written with a hop and read again by the shard's next owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from motet.chassis import decided_by, lanes
from motet.chassis.text import readable

# The table's columns but for its partition, with their types; aggregateid is for people, and for Debezium's router.
COLUMNS: Final = {
    "partition": "int4",
    "position": "int8",
    "id": "text",
    "aggregatetype": "text",
    "aggregateid": "text",
    "type": "text",
    "payload": "bytea",
    "key": "bytea",
    "destination": "int4",
    "lane": "bytea",
    "traceparent": "text",
    "decided_by": "text",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A fact in the outbox and on its way."""

    position: int
    event_id: str
    topic: str
    destination: int
    key: bytes
    value: bytes
    record_type: str
    lane: bytes
    traceparent: str | None
    # What it says of how it was decided; None where nobody reads that, and of rows from before it.
    decided_by: str | None = None

    def headers(self) -> list[tuple[str, str | bytes | None]]:
        """The record's Kafka headers: the lane, CloudEvents attributes on the facts that others read, the trace."""
        headers: list[tuple[str, str | bytes | None]] = [(lanes.HEADER, self.lane)]
        if self.topic in decided_by.FACTS:
            headers += [("ce_specversion", b"1.0"), ("ce_type", self.record_type.encode())]
            headers += [("ce_id", self.event_id.encode()), ("ce_source", b"/motet")]
            if self.decided_by is not None:
                headers.append((decided_by.HEADER, self.decided_by.encode()))
        if self.traceparent:
            headers.append(("traceparent", self.traceparent.encode()))
        return headers


def copy(connection: psycopg.Connection[Any], partition: int, rows: Sequence[Row]) -> None:
    """Writes rows in one COPY."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY outbox ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)".encode()) as out,
    ):
        out.set_types(list(COLUMNS.values()))
        for row in rows:
            identity = (partition, row.position, row.event_id, row.topic, readable(row.key), row.record_type)
            out.write_row((*identity, row.value, row.key, row.destination, row.lane, row.traceparent, row.decided_by))


def since(connection: psycopg.Connection[Any], partition: int, position: int) -> list[Row]:
    """The rows from a position on, in order: published again, they are the same bytes and headers."""
    query = (
        "SELECT position, id, aggregatetype, destination, key, payload, type, lane, traceparent, decided_by FROM outbox "
        "WHERE partition = %s AND position >= %s ORDER BY position"
    )
    return [Row(*columns) for columns in connection.execute(query, (partition, position))]
