"""What a batch of records changes in the tables, as data: inserted, changed and deleted rows, and what is added up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from motet.chassis.text import printable
from motet.modes import host_of
from motet.projector.definition import Table
from motet.projector.fault_tables import APPROVALS, BUDGETS, COMPENSATIONS, CONFLICTS, FORMER_ATTEMPTS
from motet.records import Claim, Meta
from motet.resources.names import wholes_above

Row = dict[str, Any]
Key = tuple[Any, ...]
# A plan, a call of it by its index, and whether it is what undoes that call.
Place = tuple[str, int, bool]
# The columns of rows whose call has not ended.
HELD: Row = {"call_ended": False, "plan_ended": False, "open": False, "undo_open": False, "in_doubt": False}
# The columns of rows that hold nothing any more.
RELEASED: Row = {"call_ended": True, "isolation": "CALL", "open": False, "undo_open": False}


@dataclass(slots=True)
class Uses:
    """What a call uses, or what undoes it, and what became of it since: the columns that were changed in all of its rows.

    Most calls have ended before they are written, and then their rows are never made.
    """

    meta: Meta
    place: Place
    each: Sequence[Claim]
    isolation: str
    rank: int
    outside: str | None
    since: str
    changed: Row = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """The rows, if anything is held."""
        plan_id, index, compensation = self.place
        held = {**HELD, "isolation": self.isolation, **self.changed}
        if gone(held):
            return []
        common = {
            "tenant": self.meta.tenant,
            "domain": self.meta.domain,
            "host": host_of(plan_id),
            "outside": self.outside,
            "place": self.meta.hlc if self.outside is None else None,
            "rank": self.rank,
            "plan_id": plan_id,
            "index": index,
            "compensation": compensation,
            "since": self.since,
            **held,
        }
        return [
            {
                **common,
                "resource": printable(claim.resource),
                "queues": [printable(name) for name in (*wholes_above(claim.resource), claim.resource)],
                "mode": claim.mode,
                "operation": printable(claim.operation),
            }
            for claim in self.each
        ]


@dataclass(slots=True)
class Claims:
    """Changes of `claims`, by plan, and within it by call: its index, and whether it is what undoes that call.

    A row is gone once its plan ended, or its call under call isolation, and nothing of the call is open: so say five columns of the row
    itself, which events set in any order of batches. What undoes a call does not end with its plan.
    """

    inserted: dict[str, dict[tuple[int, bool], Uses]] = field(default_factory=dict)
    changed: dict[str, dict[tuple[int, bool], Row]] = field(default_factory=dict)
    ended_plans: set[str] = field(default_factory=set)
    # Plans that were admitted in this batch: the table has no rows of theirs.
    admitted: set[str] = field(default_factory=set)
    # Calls of other plans whose rows are others now: these are in `inserted`.
    replaced: set[Place] = field(default_factory=set)

    def admit(self, plan_id: str, calls: dict[tuple[int, bool], Uses]) -> None:
        """A plan's calls; nothing is left of a former run of it."""
        self.changed.pop(plan_id, None)
        self.ended_plans.discard(plan_id)
        self.admitted.add(plan_id)
        self.inserted[plan_id] = calls

    def replace(self, place: Place, uses: Uses) -> None:
        """A call uses something else than its rows say."""
        plan_id, index, compensation = place
        if plan_id not in self.admitted:
            self.replaced.add(place)
        # What was said before is about rows that go.
        self.changed.get(plan_id, {}).pop((index, compensation), None)
        self.inserted.setdefault(plan_id, {})[index, compensation] = uses

    def change(self, plan_id: str, index: int, columns: Row, *, compensation: bool = False) -> None:
        """Changes the rows of a call, in this batch's inserts or in the table."""
        calls = self.inserted.get(plan_id)
        uses = None if calls is None else calls.get((index, compensation))
        if uses is not None:
            uses.changed.update(columns)
        elif plan_id not in self.admitted:
            key = {"plan_id": plan_id, "index": index, "compensation": compensation}
            self.changed.setdefault(plan_id, {}).setdefault((index, compensation), key).update(columns)

    def end(self, plan_id: str) -> None:
        """A plan's end."""
        if plan_id not in self.admitted:
            self.ended_plans.add(plan_id)
        for (_, compensation), uses in self.inserted.get(plan_id, {}).items():
            if not compensation:
                uses.changed["plan_ended"] = True

    def parted(self, ended: set[str]) -> tuple[Claims, Claims]:
        """What is written now, and the rows of admitted plans that are not among those that ended."""
        written = ended | {plan_id for plan_id, _, _ in self.replaced if plan_id not in self.admitted}
        inserted = {plan_id: self.inserted.pop(plan_id) for plan_id in written if plan_id in self.inserted}
        self.admitted -= ended
        due = Claims(inserted, self.changed, self.ended_plans, ended, self.replaced)
        return due, Claims(self.inserted, admitted=self.admitted)

    def rows(self) -> list[Row]:
        """The inserted rows that are still there at the end of the batch."""
        return [row for calls in self.inserted.values() for uses in calls.values() for row in uses.rows()]

    def touched(self) -> list[str]:
        """The plans whose rows in the table may be gone now."""
        return sorted(self.changed.keys() | self.ended_plans)


def gone(row: Row) -> bool:
    """Whether nothing holds a resource for a row any more; the same as `GONE` in SQL."""
    over = row["plan_ended"] or (row["call_ended"] and row["isolation"] == "CALL")
    return bool(over and not row["open"] and not row["undo_open"])


# Many events have one time: that of the record which led to them.
@lru_cache(maxsize=4_096)
def moment(milliseconds: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC, whose texts order as the times do."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def moment_or_none(milliseconds: int | None) -> str | None:
    """As `moment`; None stays None."""
    return None if milliseconds is None else moment(milliseconds)


# The tables of which a plan's second run finds nothing of its first.
OF_A_RUN: Final = frozenset(table.name for table in (FORMER_ATTEMPTS, APPROVALS, BUDGETS, COMPENSATIONS, CONFLICTS))


def numbers() -> defaultdict[Any, int]:
    """What is counted, from 0."""
    return defaultdict(int)


def numbers_by_day() -> defaultdict[tuple[str, str], dict[str, int]]:
    """What is counted, by tenant and day."""
    return defaultdict(numbers)


def rows_by_table() -> defaultdict[str, dict[Key, Row]]:
    """Rows by their table's name and their key."""
    return defaultdict(dict)


def rows_by_plan() -> defaultdict[str, dict[str, dict[Key, Row]]]:
    """Rows by their plan, their table's name and their key."""
    return defaultdict(rows_by_table)


@dataclass(slots=True)
class Changes:
    """What a batch changes. Times are ISO 8601 texts in UTC."""

    plans: dict[str, Row] = field(default_factory=dict)
    plans_changed: dict[str, Row] = field(default_factory=dict)
    plans_repeated: dict[str, int] = field(default_factory=numbers)
    # Plans that are over: little comes of them any more.
    over: set[str] = field(default_factory=set)
    # By plan, in the order of their indexes.
    calls: dict[str, list[Row]] = field(default_factory=dict)
    # By plan, and by index.
    calls_changed: dict[str, dict[int, Row]] = field(default_factory=dict)
    claims: Claims = field(default_factory=Claims)
    dead_letters_changed: dict[str, Row] = field(default_factory=dict)
    # Rows that are inserted, or changed where they are there: by table and key, those of a plan's run by plan before that.
    upserts: dict[str, dict[Key, Row]] = field(default_factory=rows_by_table)
    of_runs: dict[str, dict[str, dict[Key, Row]]] = field(default_factory=rows_by_plan)
    lineage: list[Row] = field(default_factory=list)
    dead_letters: dict[str, Row] = field(default_factory=dict)
    contracts: dict[tuple[str, int], Row] = field(default_factory=dict)
    tenants: dict[str, tuple[str, str]] = field(default_factory=dict)
    usage: dict[tuple[str, str], dict[str, int]] = field(default_factory=numbers_by_day)
    progress: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)

    def parted(self, held: int) -> tuple[Changes, Changes]:
        """What is written now, and the rows of open plans: what comes of these changes them before they are written at all.

        Of more than `held` nothing is kept back. What is kept is what a longer batch would have inserted, so that the tables are the same
        in the end. The object itself becomes what is written.
        """
        if len(self.plans) - sum(plan_id in self.plans for plan_id in self.over) > held:
            return self, Changes()
        plans = {plan_id: self.plans.pop(plan_id) for plan_id in self.over if plan_id in self.plans}
        calls = {plan_id: self.calls.pop(plan_id) for plan_id in plans if plan_id in self.calls}
        claims, kept_claims = self.claims.parted(self.over)
        # A plan that is there already, of which its table's writer deletes what a former run left, must not find these rows there.
        of_runs = {plan_id: self.of_runs.pop(plan_id) for plan_id in self.plans if plan_id in self.of_runs}
        kept = Changes(plans=self.plans, calls=self.calls, claims=kept_claims)
        kept.of_runs.update(of_runs)
        self.plans, self.calls, self.claims = plans, calls, claims
        return self, kept

    def admit(self, plan_id: str, row: Row, calls: list[Row], uses: dict[tuple[int, bool], Uses]) -> None:
        """A plan begins, with its calls and what they use; nothing of a former run of it is left but how often it was repeated."""
        self.over.discard(plan_id)
        self.plans_changed.pop(plan_id, None)
        self.calls_changed.pop(plan_id, None)
        self.of_runs.pop(plan_id, None)
        former = self.plans.get(plan_id)
        self.plans[plan_id] = row if former is None else row | {"repeats": former["repeats"]}
        self.calls[plan_id] = calls
        self.claims.admit(plan_id, uses)

    def change_plan(self, plan_id: str, **columns: Any) -> None:
        """Changes a plan's row, in this batch's inserts or in the table."""
        row = self.plans.get(plan_id)
        if row is None:
            row = self.plans_changed.setdefault(plan_id, {"plan_id": plan_id})
        row.update(columns)

    def change_call(self, plan_id: str, index: int, columns: Row) -> None:
        """Changes a call's row, in this batch's inserts or in the table."""
        calls = self.calls.get(plan_id)
        if calls is None or index >= len(calls):
            key = {"plan_id": plan_id, "index": index}
            self.calls_changed.setdefault(plan_id, {}).setdefault(index, key).update(columns)
        else:
            calls[index].update(columns)

    def change_dead_letter(self, event_id: str, columns: Row) -> None:
        """Changes a dead letter's row, in this batch's inserts or in the table."""
        row = self.dead_letters.get(event_id)
        if row is None:
            row = self.dead_letters_changed.setdefault(event_id, {"event_id": event_id})
        row.update(columns)

    def upsert(self, table: Table, row: Row) -> None:
        """Inserts a row, or changes the columns that it names; columns given before in this batch stay where it names none."""
        key = tuple(row[name] for name in table.key)
        rows = self.of_runs[row["plan_id"]] if table.name in OF_A_RUN else self.upserts
        rows[table.name].setdefault(key, {}).update(row)

    def upserted(self) -> dict[str, list[Row]]:
        """The rows that are inserted, or changed where they are there, by table."""
        rows = defaultdict(list, {name: list(by_key.values()) for name, by_key in self.upserts.items()})
        for tables in self.of_runs.values():
            for name, by_key in tables.items():
                rows[name] += by_key.values()
        return rows
