"""The judge of chaos on histories written by hand: each thing that must not be is found, and what may be is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest

from motet.chaos.facts import Ended, Facts
from motet.chaos.judging import Seen, judge
from motet.chaos.load import ACCOUNTS, OPENING, Operation, canary
from motet.chassis.canonical import canonical_json
from motet.chassis.message import Message
from motet.records import AdmittedCall, CompensationStarted, Meta, PlanAdmitted

TENANT, PLAN = "t1", "p1"


def meta(hlc: int = 1, event: str = "e") -> Meta:
    """An event's, at a time."""
    return Meta(f"{event}{hlc}", "c", "motet.commands:0:1", TENANT, "bank", hlc, hlc)


def transfer(source: str, target: str, amount: int, source_balance: int, target_balance: int) -> tuple[str, str]:
    """Arguments and result of a transfer that happened."""
    arguments = canonical_json({"source": source, "target": target, "amount": amount})
    result = {"ok": True, "reason": None, "source_balance": source_balance, "target_balance": target_balance}
    return arguments, canonical_json(result)


def admitted(plan_id: str, hlc: int, *calls: tuple[str, str]) -> PlanAdmitted:
    """A plan of calls: tool and arguments each."""
    made = [AdmittedCall(f"c{at}", tool, 1, text, "", (), (), "") for at, (tool, text) in enumerate(calls)]
    return PlanAdmitted(meta(hlc), plan_id, plan_id, "a", "PLAN", "", tuple(made))


@dataclass
class Parts:
    """A good history, to be spoilt."""

    facts: Facts
    operations: list[Operation]
    ledger: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)
    witness: dict[str, int] = field(default_factory=dict)
    balances: dict[tuple[str, str], int] = field(default_factory=dict)
    rows: list[str] = field(default_factory=list)

    def call(self, index: int, **changes: Any) -> None:
        """Says something else of a call of the plan."""
        self.facts.calls[PLAN, index] = replace(self.facts.calls[PLAN, index], **changes)

    def said(self) -> list[str]:
        """The verdict."""
        return judge(Seen(self.operations, self.facts, self.ledger, self.sums, self.witness, self.balances, self.rows))


def good() -> Parts:
    """A plan with a deposit, a charge and a letter; two of transfers; and a saga that was undone."""
    facts = Facts()
    facts.admitted[PLAN] = admitted(PLAN, 1, ("chaos.deposit", "{}"), ("chaos.charge", "{}"), ("chaos.mail", "{}"))
    calls = (
        ("chaos.deposit", "k0", "SUCCEEDED"),
        ("chaos.charge", "k1", "SUCCEEDED"),
        ("chaos.mail", "k2", "IN_DOUBT"),
    )
    for index, (tool, key, outcome) in enumerate(calls):
        facts.calls[PLAN, index] = Ended(PLAN, TENANT, index, tool, key, outcome, "1")
    facts.ends[PLAN]["end"] = "IN_DOUBT"
    for plan_id, hlc, (arguments, result) in (
        ("first", 2, transfer("00", "01", 100, OPENING - 100, OPENING + 100)),
        ("second", 3, transfer("01", "02", OPENING + 50, 50, 2 * OPENING + 50)),
    ):
        facts.admitted[plan_id] = admitted(plan_id, hlc, ("bank.transfer", arguments))
        facts.calls[plan_id, 0] = Ended(plan_id, TENANT, 0, "bank.transfer", plan_id, "SUCCEEDED", result)
        facts.ends[plan_id]["end"] = "SUCCEEDED"
    facts.admitted["saga"] = admitted("saga", 4, ("chaos.deposit", "{}"), ("chaos.deposit", "{}"))
    for index in range(2):
        facts.calls["saga", index] = Ended("saga", TENANT, index, "chaos.deposit", f"s{index}", "SUCCEEDED", "1")
        begun = CompensationStarted(meta(9 - index), "saga", index, "chaos.withdraw", 1, "{}", "", f"u{index}", 1)
        facts.undoing["saga", index] = begun
        facts.undone["saga", index] = Ended("saga", TENANT, index, "chaos.withdraw", f"u{index}", "SUCCEEDED", None)
    facts.ends["saga"]["end"] = "COMPENSATED"
    operations = [
        Operation(TENANT, "effects", "1", PLAN, "ok", "IN_DOUBT"),
        Operation(TENANT, "transfers", "2", "first", "ok", "SUCCEEDED"),
        Operation(TENANT, "transfers", "3", "second", "unknown", None),
        Operation(TENANT, "saga", "4", "saga", "ok", "COMPENSATED"),
        Operation(TENANT, "hybrid", "5", "never", "unknown", None),
    ]
    balances = {(TENANT, f"{number:02}"): OPENING for number in range(ACCOUNTS)}
    balances |= {(TENANT, "00"): OPENING - 100, (TENANT, "01"): 50, (TENANT, "02"): 2 * OPENING + 50}
    ledger = dict.fromkeys(("k0", "s0", "s1", "u0", "u1"), 1)
    return Parts(facts, operations, ledger, {PLAN: 1, "saga": 0}, {"k1": 1}, balances)


def test_a_good_history_is_good() -> None:
    """A doubt that was said, a time-out that came to something and one that did not, and a saga that was undone."""
    assert good().said() == []


def spoil(change: Callable[[Parts], object]) -> Parts:
    """The good history, changed."""
    parts = good()
    change(parts)
    return parts


SPOILT: Final[dict[str, tuple[str, Callable[[Parts], object]]]] = {
    "no end": ("one end: plan p1 was admitted and has 0", lambda one: one.facts.ends.pop(PLAN)),
    "two ends": ("one end: plan p1", lambda one: one.facts.ends[PLAN].update(other="SUCCEEDED")),
    "another end": ("its agent was told FAILED", lambda one: setattr(one.operations[0], "status", "FAILED")),
    "refused, and ended": ("was refused for good", lambda one: setattr(one.operations[1], "seen", "failed")),
    "twice in the ledger": ("key k0 has 2 effects in the ledger", lambda one: one.ledger.update(k0=2)),
    "twice at the witness": ("key k1 has 2 effects in the witness", lambda one: one.witness.update(k1=2)),
    "a letter twice": ("key k2 has 2 effects in the witness", lambda one: one.witness.update(k2=2)),
    "no effect": ("succeeded and has 0 effects", lambda one: one.witness.pop("k1")),
    "failed with an effect": ("ended FAILED and has 1 effects", lambda one: one.call(0, outcome="FAILED")),
    "a transaction in doubt": ("a transaction is never", lambda one: one.call(0, outcome="IN_DOUBT")),
    "an orphan": ("no orphans: key x", lambda one: one.ledger.update(x=1)),
    "something left": ("7 is left in the ledger", lambda one: one.sums.update(saga=7)),
    "a saga that goes well": ("is a saga that fails", lambda one: one.facts.ends["saga"].update(end="SUCCEEDED")),
    "undone from the front": (
        "reverse order: plan saga",
        lambda one: one.facts.undoing.update({("saga", 0): replace(one.facts.undoing["saga", 0], meta=meta(5))}),
    ),
    "another order": (
        "in the order of the log it is",
        lambda one: one.facts.admitted.update(first=replace(one.facts.admitted["first"], meta=meta(8))),
    ),
    "money from nowhere": ("account 03 of t1 has", lambda one: one.balances.update({(TENANT, "03"): OPENING + 1})),
    "another tenant's row": ("tenants apart: tenant", lambda one: one.rows.append("tenant a reads 1 rows")),
    "another tenant's record": (
        "tenants apart: motet.events:0:1",
        lambda one: one.facts.look(Message("motet.events", 0, 1, b"t2/main", canary(TENANT).encode(), 0, ())),
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_must_not_be_is_found(name: str) -> None:
    """Each by the check that is for it."""
    expected, change = SPOILT[name]
    assert any(expected in said for said in spoil(change).said())


def test_a_canary_with_its_own_tenant_is_in_its_place() -> None:
    """The key says whose record it is."""
    facts = Facts()
    facts.look(Message("motet.events", 0, 1, f"{TENANT}/main".encode(), canary(TENANT).encode(), 0, ()))
    assert facts.strayed == []
