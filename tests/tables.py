"""The tables of the SQL surface as the writer would leave them, in memory: the meaning of each change, spelled out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from motet.projector.changes import OF_A_RUN, Changes, Key, Row, gone
from motet.projector.tables import TABLES
from motet.projector.writer import BY_NAME


@dataclass
class Tables:
    """The tables as the writer would leave them, in memory: the meaning of each change, spelled out."""

    plans: dict[str, Row] = field(default_factory=dict)
    calls: dict[tuple[str, int], Row] = field(default_factory=dict)
    claims: dict[tuple[str, int, bool, str], Row] = field(default_factory=dict)
    lineage: dict[str, Row] = field(default_factory=dict)
    dead_letters: dict[str, Row] = field(default_factory=dict)
    tenants: dict[str, tuple[str, str]] = field(default_factory=dict)
    usage: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    progress: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    others: dict[str, dict[Key, Row]] = field(default_factory=lambda: {table.name: {} for table in TABLES})

    def apply(self, changes: Changes) -> None:
        """Applies one batch's changes."""
        self.begin(changes)
        self.calls |= {(row["plan_id"], row["index"]): dict(row) for rows in changes.calls.values() for row in rows}
        self.lineage |= {row["effect"]: row for row in changes.lineage}
        self.dead_letters |= {event_id: dict(row) for event_id, row in changes.dead_letters.items()}
        for event_id, row in changes.dead_letters_changed.items():
            self.dead_letters[event_id].update(row)
        self.claim(changes)
        for name, rows in changes.upserted().items():
            key = BY_NAME[name].key
            for row in rows:
                place = tuple(row[column] for column in key)
                self.others[name].setdefault(place, {}).update(row)
        for plan_id, row in changes.plans_changed.items():
            self.plans[plan_id].update(row)
        for plan_id, calls in changes.calls_changed.items():
            for index, row in calls.items():
                self.calls[plan_id, index].update(row)
        for plan_id, count in changes.plans_repeated.items():
            self.plans[plan_id]["repeats"] += count
        self.release(changes)
        self.add_up(changes)
        self.progress |= changes.progress

    def begin(self, changes: Changes) -> None:
        """Plans that are new, or come again."""
        for plan_id, row in changes.plans.items():
            if row["status"] == "REJECTED" and plan_id in self.plans:
                self.plans[plan_id]["repeats"] += 1 + row["repeats"]
            else:
                if plan_id in self.plans:
                    self.forget_run(plan_id)
                former = self.plans.get(plan_id, {"repeats": 0})
                self.plans[plan_id] = {**row, "repeats": row["repeats"] + former["repeats"]}

    def forget_run(self, plan_id: str) -> None:
        """A plan begins anew."""
        rows: list[dict[Any, Row]] = [self.calls, self.claims, *(self.others[name] for name in OF_A_RUN)]
        for table in rows:
            for key in [key for key, row in table.items() if row["plan_id"] == plan_id]:
                del table[key]

    def claim(self, changes: Changes) -> None:
        """Who uses what, and who uses something else now."""
        for place in [place for place in self.claims if place[:3] in changes.claims.replaced]:
            del self.claims[place]
        for row in changes.claims.rows():
            self.claims[row["plan_id"], row["index"], row["compensation"], row["resource"]] = dict(row)

    def add_up(self, changes: Changes) -> None:
        """What commutes."""
        for tenant, (first, last) in changes.tenants.items():
            known = self.tenants.get(tenant, (first, last))
            self.tenants[tenant] = (min(first, known[0]), max(last, known[1]))
        for day, counts in changes.usage.items():
            have = self.usage.setdefault(day, {})
            for name, count in counts.items():
                have[name] = have.get(name, 0) + count

    def release(self, changes: Changes) -> None:
        """Who holds now, and what was let go."""
        claims = changes.claims
        for (plan_id, index, compensation, resource), row in list(self.claims.items()):
            row.update(claims.changed.get(plan_id, {}).get((index, compensation), {}))
            row["plan_ended"] = row["plan_ended"] or (plan_id in claims.ended_plans and not compensation)
            if gone(row):
                del self.claims[plan_id, index, compensation, resource]
