"""What a run left, counted from the rows of its database and from the results that its driver got: the peers say nothing here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from benchmarks.peers.work import Plan

ROWS: Final = "SELECT key, account, place FROM {schema}.work WHERE key LIKE %s"


@dataclass(frozen=True, slots=True)
class Row:
    """One effect that happened: whose, and its place among those on its account."""

    key: str
    account: str
    place: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What is wrong, each in calls: 0 is right.

    `duplicates` are rows too many, `lost_effects` calls without a row, `lost_results` calls whose plan never answered, failed or
    answered with too few, `strange_results` results that no call of the plan has.
    `results_out_of_order` are results of the plan's own that stand in another call's place. `effects_out_of_order` are entries
    that came onto an account before an entry of an earlier call of the same plan: running calls in parallel promises no such order,
    unless something keeps calls on one resource in line.
    """

    calls: int
    duplicates: int
    lost_effects: int
    lost_results: int
    strange_results: int
    results_out_of_order: int
    effects_out_of_order: int

    @property
    def right(self) -> bool:
        """Whether every call happened once and every result arrived in its place."""
        return not (
            self.duplicates
            or self.lost_effects
            or self.lost_results
            or self.strange_results
            or self.results_out_of_order
        )


def count(plans: Sequence[Plan], results: Mapping[str, Sequence[str | None]], rows: Iterable[Row]) -> Counts:
    """Counts a run: its plans, the results by plan, the rows that are there."""
    places: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        places[row.key].append(row.place)
    keys = [call.key for plan in plans for call in plan.calls]
    answers = [answer_of(plan, results.get(plan.name, ())) for plan in plans]
    return Counts(
        calls=len(keys),
        duplicates=sum(max(0, len(places[key]) - 1) for key in keys),
        lost_effects=sum(not places[key] for key in keys),
        lost_results=sum(lost for lost, _, _ in answers),
        strange_results=sum(strange for _, strange, _ in answers),
        results_out_of_order=sum(moved for _, _, moved in answers),
        effects_out_of_order=sum(overtaken(plan, places) for plan in plans),
    )


def answer_of(plan: Plan, results: Sequence[str | None]) -> tuple[int, int, int]:
    """Of one plan's results: how many are missing, strange, and in another one's place."""
    known = set(plan.expected)
    there = [(index, result) for index, result in enumerate(results) if result is not None]
    strange = sum(result not in known for _, result in there)
    moved = sum(
        result in known and (index >= len(plan.calls) or plan.expected[index] != result) for index, result in there
    )
    return len(known - {result for _, result in there}), strange, moved


def overtaken(plan: Plan, places: Mapping[str, Sequence[int]]) -> int:
    """Entries of one plan that came onto their account before an entry of an earlier call. A call's first entry counts."""
    highest: dict[str, int] = {}
    wrong = 0
    for call in plan.calls:
        if not call.account or not places[call.key]:
            continue
        place = min(places[call.key])
        wrong += place < highest.get(call.account, 0)
        highest[call.account] = max(place, highest.get(call.account, 0))
    return wrong


def rows_of(url: str, schema: str, run: str) -> list[Row]:
    """The rows of one run."""
    with psycopg.connect(url) as connection:
        return [Row(*row) for row in connection.execute(ROWS.format(schema=schema).encode(), (f"{run}-%",))]
