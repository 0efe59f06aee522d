"""What differs between the tables of two schemas: rows by their key, and of a row that both have the columns that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from motet.projector.definition import Table
from motet.projector.tables import PROGRESS, TABLES

# How far tables are always differs between two moments, and says nothing about what happened.
COMPARED: Final = tuple(table for table in TABLES if table is not PROGRESS)


@dataclass(frozen=True, slots=True)
class Change:
    """A row that differs: its key's values, and the columns that changed with what they were and are; a row that one side lacks is None there."""

    key: tuple[str, ...]
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def kind(self) -> str:
        """NEW, GONE or CHANGED."""
        return "NEW" if self.before is None else "GONE" if self.after is None else "CHANGED"


def counts(
    connection: psycopg.Connection[Any], table: Table, before: str, after: str, plan_id: str | None
) -> dict[str, int]:
    """How many rows are NEW, GONE and CHANGED, of a plan or of all."""
    query, parameters = differing(table, before, after, plan_id)
    kind = "CASE WHEN b IS NULL THEN 'NEW' WHEN a IS NULL THEN 'GONE' ELSE 'CHANGED' END"
    rows = connection.execute(f"SELECT {kind} AS kind, count(*) FROM ({query}) AS d GROUP BY kind".encode(), parameters)
    return dict(rows.fetchall())


def changes(
    connection: psycopg.Connection[Any], table: Table, before: str, after: str, plan_id: str | None, limit: int
) -> list[Change]:
    """The rows that differ, in the order of their key, up to a limit."""
    query, parameters = differing(table, before, after, plan_id)
    order = ", ".join(f'"{name}"' for name in table.key)
    rows = connection.execute(
        f"SELECT * FROM ({query}) AS d ORDER BY {order} LIMIT %s".encode(), (*parameters, limit)
    ).fetchall()
    width = len(table.key)
    return [change(table, row[:width], row[width], row[width + 1]) for row in rows]


def differing(table: Table, before: str, after: str, plan_id: str | None) -> tuple[str, tuple[str, ...]]:
    """The query of rows that differ: the key, and the row on either side as JSON; and its parameters."""
    key = ", ".join(f'"{name}"' for name in table.key)
    only = "WHERE plan_id = %s" if plan_id is not None else ""
    sides = (f"(SELECT * FROM {schema}.{table.name} {only})" for schema in (before, after))
    parameters = () if plan_id is None else (plan_id, plan_id)
    joined = " FULL JOIN ".join(f"{side} AS {name}" for side, name in zip(sides, "ba", strict=True))
    query = f"SELECT {key}, to_jsonb(b) AS b, to_jsonb(a) AS a FROM {joined} USING ({key}) WHERE b::text IS DISTINCT FROM a::text"
    return query, parameters


def change(table: Table, key: Sequence[Any], before: dict[str, Any] | None, after: dict[str, Any] | None) -> Change:
    """A difference: beside the key, the columns that are not the same on both sides, in the table's order."""
    names = [name for name in table.names if name not in table.key]
    if before is not None and after is not None:
        names = [name for name in names if before[name] != after[name]]
    sides = (None if side is None else {name: side[name] for name in names} for side in (before, after))
    return Change(tuple(str(value) for value in key), *sides)


def of_plans(table: Table) -> bool:
    """Whether a table's rows are about plans."""
    return "plan_id" in table.names
