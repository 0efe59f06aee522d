"""Row changes to SQL: inserts by COPY, everything else as one statement a kind of change, whose rows travel as one JSON value."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import psycopg

from motet.projector.changes import OF_A_RUN, Changes, Claims, Row
from motet.projector.definition import Table
from motet.projector.lineage import LINEAGE
from motet.projector.tables import (
    CALLS,
    CLAIMS,
    CONTRACTS,
    DEAD_LETTERS,
    PLANS,
    PROGRESS,
    TABLES,
    TENANTS,
    USAGE,
)

COUNTED: Final = USAGE.names[2:]
BY_NAME: Final = {table.name: table for table in TABLES}
# What a plan's second run must not find of its first.
OF_FORMER_RUNS: Final = (CALLS.name, CLAIMS.name, *sorted(OF_A_RUN))
# What a row of `claims` is about, but for the resource.
PLACE: Final = ("plan_id", "index", "compensation")
OF_PLACE: Final = " AND ".join(f't."{name}" = x."{name}"' for name in PLACE)
# What has a meaning within a text of an array.
ESCAPED: Final = str.maketrans({"\\": r"\\", '"': r"\""})
# The same as `changes.gone`.
GONE: Final = "(t.plan_ended OR (t.call_ended AND t.isolation = 'CALL')) AND NOT t.open AND NOT t.undo_open"


class Writer:
    """Writes into one schema, within whatever transaction is open."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str) -> None:
        self.connection = connection
        self.schema = schema

    def write(self, changes: Changes) -> None:
        """Applies a batch's changes. Inserts go before updates: what changes a row of this batch was merged into it."""
        # First of all, because a rebuild that is about to swap locks this table, and nothing else, against writers.
        self.advance(changes.progress)
        self.insert_plans(changes)
        self.copy(LINEAGE, changes.lineage)
        self.copy(DEAD_LETTERS, changes.dead_letters.values())
        claims = changes.claims
        self.run(
            f"DELETE FROM {self.schema}.claims AS t USING {recordset(CLAIMS, PLACE)} WHERE {OF_PLACE}",
            [dict(zip(PLACE, place, strict=True)) for place in sorted(claims.replaced)],
        )
        self.copy(CLAIMS, claims.rows())
        with self.connection.pipeline():
            self.change(PLANS, changes.plans_changed.values())
            self.change(CALLS, of_all(changes.calls_changed))
            self.repeat(changes.plans_repeated)
            self.change(DEAD_LETTERS, changes.dead_letters_changed.values())
            self.change(CLAIMS, of_all(claims.changed), key=PLACE)
            self.release(claims)
            for name, rows in changes.upserted().items():
                self.upsert(BY_NAME[name], rows)
            self.publish_contracts(changes.contracts)
            self.see_tenants(changes.tenants)
            self.count(changes.usage)

    def insert_plans(self, changes: Changes) -> None:
        """Inserts plans and their calls. Few plans are there before: rejected ones, and those that their host forgot after their window."""
        plans = changes.plans
        if not plans:
            return
        found = self.connection.execute(
            f"SELECT plan_id FROM {self.schema}.plans WHERE plan_id = ANY(%s)".encode(), (list(plans),)
        )
        there = {plan_id for (plan_id,) in found}
        self.copy(PLANS, (row for plan_id, row in plans.items() if plan_id not in there))
        self.renew_plans([plans[plan_id] for plan_id in sorted(there)])
        self.copy(CALLS, chain.from_iterable(changes.calls.values()))

    def copy(self, table: Table, rows: Iterable[Row]) -> None:
        """Inserts rows that are new. A column that a row does not name is null."""
        pending = list(rows)
        if not pending:
            return
        names = table.names
        listed = ", ".join(f'"{name}"' for name in names)
        arrays = [place for place, column in enumerate(table.columns) if column.plain_type.endswith("[]")]
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY {self.schema}.{table.name} ({listed}) FROM STDIN".encode()) as copy,
        ):
            write = copy.write_row
            for row in pending:
                values = list(map(row.get, names))
                for place in arrays:
                    members = values[place]
                    values[place] = None if members is None else array(members)
                write(values)

    def renew_plans(self, rows: Sequence[Row]) -> None:
        """Plans that are there. One that was rejected may be admitted later, and one refused again is counted."""
        admitted = [row for row in rows if row["status"] != "REJECTED"]
        # What is run again after its window is told anew.
        for name in OF_FORMER_RUNS if admitted else ():
            self.connection.execute(
                f"DELETE FROM {self.schema}.{name} WHERE plan_id = ANY(%s)".encode(),
                ([row["plan_id"] for row in admitted],),
            )
        renewed = ", ".join(f"{name} = x.{name}" for name in PLANS.names[1:] if name != "repeats")
        # An admitted plan takes the place of one with the same content, which was rejected or is forgotten by its host; how often it was
        # repeated adds up, in whichever batches that came. A rejection changes no plan that is there.
        self.run(
            f"UPDATE {self.schema}.plans AS t SET {renewed}, repeats = t.repeats + x.repeats "
            f"FROM {recordset(PLANS, PLANS.names)} WHERE t.plan_id = x.plan_id",
            admitted,
        )
        self.run(
            f"UPDATE {self.schema}.plans AS t SET repeats = t.repeats + 1 + x.repeats "
            f"FROM {recordset(PLANS, ('plan_id', 'repeats'))} WHERE t.plan_id = x.plan_id",
            [row for row in rows if row["status"] == "REJECTED"],
        )

    def change(self, table: Table, rows: Iterable[Row], key: tuple[str, ...] = ()) -> None:
        """Updates rows by their key, or a part of it, those that change the same columns together."""
        key = key or table.key
        groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in rows:
            groups[tuple(name for name in table.names if name in row)].append(row)
        for names, members in groups.items():
            changed = [name for name in names if name not in key]
            assignments = ", ".join(f'"{name}" = x."{name}"' for name in changed)
            keys = " AND ".join(f't."{name}" = x."{name}"' for name in key)
            self.run(
                f"UPDATE {self.schema}.{table.name} AS t SET {assignments} FROM {recordset(table, names)} WHERE {keys}",
                members,
            )

    def repeat(self, counts: dict[str, int]) -> None:
        """Counts commands that came again."""
        self.run(
            f"UPDATE {self.schema}.plans AS t SET repeats = t.repeats + x.repeats "
            f"FROM {recordset(PLANS, ('plan_id', 'repeats'))} WHERE t.plan_id = x.plan_id",
            [{"plan_id": plan_id, "repeats": count} for plan_id, count in counts.items()],
        )

    def release(self, claims: Claims) -> None:
        """What nobody holds any more."""
        self.run(
            f"UPDATE {self.schema}.claims AS t SET plan_ended = true FROM {recordset(CLAIMS, ('plan_id',))} "
            "WHERE t.plan_id = x.plan_id AND NOT t.compensation",
            [{"plan_id": plan_id} for plan_id in sorted(claims.ended_plans)],
        )
        self.run(
            f"DELETE FROM {self.schema}.claims AS t USING {recordset(CLAIMS, ('plan_id',))} "
            f"WHERE t.plan_id = x.plan_id AND {GONE}",
            [{"plan_id": plan_id} for plan_id in claims.touched()],
        )

    def upsert(self, table: Table, rows: Iterable[Row]) -> None:
        """Inserts rows, or changes the columns that they name, those that name the same columns together."""
        groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in rows:
            groups[tuple(name for name in table.names if name in row)].append(row)
        key = ", ".join(f'"{name}"' for name in table.key)
        for names, members in groups.items():
            listed = ", ".join(f'"{name}"' for name in names)
            changed = ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in table.key)
            self.run(
                f"INSERT INTO {self.schema}.{table.name} ({listed}) SELECT {listed} FROM {recordset(table, names)} "
                f"ON CONFLICT ({key}) DO UPDATE SET {changed}",
                members,
            )

    def publish_contracts(self, contracts: dict[tuple[str, int], Row]) -> None:
        """Inserts contracts; the earliest publication counts."""
        columns = ", ".join(CONTRACTS.names)
        self.run(
            f"INSERT INTO {self.schema}.contracts ({columns}) SELECT {columns} FROM {recordset(CONTRACTS, CONTRACTS.names)} "
            "ON CONFLICT (name, version) DO UPDATE SET published_at = LEAST(contracts.published_at, excluded.published_at)",
            [contracts[place] for place in sorted(contracts)],
        )

    def see_tenants(self, tenants: dict[str, tuple[str, str]]) -> None:
        """Tenants by their first and last event."""
        self.run(
            f"INSERT INTO {self.schema}.tenants SELECT * FROM {recordset(TENANTS, TENANTS.names)} ON CONFLICT (tenant) DO UPDATE SET "
            "first_seen = LEAST(tenants.first_seen, excluded.first_seen), last_seen = GREATEST(tenants.last_seen, excluded.last_seen)",
            [{"tenant": one, "first_seen": tenants[one][0], "last_seen": tenants[one][1]} for one in sorted(tenants)],
        )

    def count(self, usage: dict[tuple[str, str], dict[str, int]]) -> None:
        """Adds to the days' counts. Sorted, so that two shards that add to the same rows wait in one order."""
        added = ", ".join(f"{name} = usage.{name} + excluded.{name}" for name in COUNTED)
        self.run(
            f"INSERT INTO {self.schema}.usage SELECT * FROM {recordset(USAGE, USAGE.names)} "
            f"ON CONFLICT (tenant, day) DO UPDATE SET {added}",
            [
                {"tenant": tenant, "day": day, **{name: usage[tenant, day].get(name, 0) for name in COUNTED}}
                for tenant, day in sorted(usage)
            ],
        )

    def advance(self, progress: dict[tuple[str, int], tuple[int, str]]) -> None:
        """Says how far the tables are."""
        self.run(
            f"INSERT INTO {self.schema}.progress SELECT * FROM {recordset(PROGRESS, PROGRESS.names)} "
            "ON CONFLICT (topic, partition) DO UPDATE SET next_offset = GREATEST(progress.next_offset, excluded.next_offset), "
            # A record that is handled once more, long after it came, leads no further.
            "as_of = CASE WHEN excluded.next_offset > progress.next_offset THEN excluded.as_of ELSE progress.as_of END",
            [
                {"topic": topic, "partition": partition, "next_offset": offset, "as_of": at}
                for (topic, partition), (offset, at) in sorted(progress.items())
            ],
        )

    def run(self, statement: str, rows: Sequence[Row]) -> None:
        """A statement over rows, if there are any."""
        if rows:
            self.connection.execute(statement.encode(), (json.dumps(rows, ensure_ascii=False),))


def of_all(by_plan: Mapping[str, Mapping[Any, Row]]) -> Iterator[Row]:
    """The rows of all plans."""
    return chain.from_iterable(rows.values() for rows in by_plan.values())


def array(members: Sequence[Any]) -> str:
    """An array as COPY takes it. Most are empty."""
    if not members:
        return "{}"
    told = (f'"{one.translate(ESCAPED)}"' if isinstance(one, str) else str(one) for one in members)
    return f"{{{','.join(told)}}}"


def recordset(table: Table, names: Sequence[str]) -> str:
    """The rows of a statement's one parameter, as `x` with the table's types."""
    types = {column.name: column.plain_type for column in table.columns}
    # A JSON value within the rows travels as text: as a value its spelling would be lost.
    shown = ", ".join(f'"{name}" {"text" if types[name] == "json" else types[name]}' for name in names)
    listed = ", ".join(f'"{name}"::json AS "{name}"' if types[name] == "json" else f'"{name}"' for name in names)
    return f"(SELECT {listed} FROM json_to_recordset(%s::json) AS r ({shown})) AS x"
