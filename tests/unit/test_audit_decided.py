"""What events say of how they were decided, beside their content: the audit finds what their plan's admission does not say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from motet.audit.reading import Audit
from motet.chassis import decided_by
from motet.chassis.message import Message
from recorded import Recorded, recorded

CODE: Final = "0.1.0+ab"
RULE: Final = "decided by"


def said_of(admission: dict[str, Any]) -> str:
    """What the events of a plan say."""
    named = {f"{call['tool']}@{call['contract_version']}" for call in admission["calls"]}
    return decided_by.told(admission.get("mode", "ORCHESTRATED"), 4, None, tuple(sorted(named)))


def headed(message: Message, header: str) -> Message:
    """A message that says how it was decided."""
    others = tuple(one for one in message.headers if one[0] != decided_by.HEADER)
    return replace(message, headers=(*others, (decided_by.HEADER, header.encode())))


def spoken() -> Recorded:
    """The recorded history, in which nothing said it, as it is said today."""
    log = recorded()
    plans: dict[str, str] = {}
    for place, many in log.by.items():
        if place[0] != "motet.events":
            continue
        for index, one in enumerate(many):
            kind, datum = log.data(one)
            if kind == "PlanAdmitted":
                plans[datum["plan_id"]] = said_of(datum)
            known = plans.get(datum.get("plan_id") or "", "")
            # In this history an admission names no code.
            many[index] = headed(one, decided_by.whole("" if kind == "PlanAdmitted" else CODE, known) or "")
    return log


def wrong(found: Audit) -> list[tuple[str, str]]:
    """Where something is said otherwise, and what."""
    return [(one.where, one.said) for one in found.findings if one.rule == RULE]


def tampered(kind: str, change: Callable[[dict[str, str]], Any]) -> tuple[Message, list[tuple[str, str]]]:
    """An event of the history that says something else, and what an audit finds."""
    log = spoken()
    one = log.find(kind, nth=2)
    said = decided_by.read(decided_by.found(one.headers))
    change(said)
    plan = ";".join(f"{name}={decided_by.quoted(value)}" for name, value in said.items() if name != "code")
    log.put(one, headed(one, decided_by.whole(said.get("code", ""), plan) or ""))
    return one, wrong(log.audit())


def test_what_is_said_in_agreement_is_right() -> None:
    """Every event of every plan is looked at, and nothing is wrong."""
    found = spoken().audit()
    assert found.findings == []
    assert found.rules[RULE].checked > 250


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("CallsStarted", {"strategy": "HYBRID"}, "strategy 'HYBRID', and its plan was admitted with 'ORCHESTRATED'"),
        ("CallsCommitted", {"contracts": "shop.pay@9"}, "contracts 'shop.pay@9'"),
        ("PlanEnded", {"workflow": "refund@3"}, "workflow 'refund@3', and its plan was admitted with 'none'"),
        ("PlanEnded", {"mood": "good"}, "mood 'good'"),
        ("PlanAdmitted", {"code": "0.9"}, "code '0.9', and its content ''"),
    ],
)
def test_what_is_said_otherwise_is_named(kind: str, change: dict[str, str], told: str) -> None:
    """One finding, at the record, with both values."""
    one, found = tampered(kind, lambda said: said.update(change))
    assert [where for where, _ in found] == [one.where]
    assert told in found[0][1]


@pytest.mark.parametrize("name", ["strategy", "rules", "contracts", "code"])
def test_what_is_not_said_is_no_contradiction(name: str) -> None:
    """A host from before, and an answer about a plan, know less."""
    assert tampered("CallsCommitted", lambda said: said.pop(name))[1] == []


def test_a_plan_that_was_admitted_before_is_looked_at_all_the_same() -> None:
    """Its admission has no header, and rules of then are not in it; what its later events say is compared with its content."""
    log = spoken()
    for kind in ("PlanAdmitted", "CallsStarted"):
        one = log.find(kind)
        log.put(one, replace(one, headers=one.headers[:-1]))
    assert wrong(log.audit()) == []
    one = log.find("CallsCommitted")
    log.put(one, headed(one, "code=1;strategy=HYBRID;rules=2"))
    assert [where for where, _ in wrong(log.audit())] == [one.where]
