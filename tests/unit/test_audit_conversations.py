"""The audit's rule of agents' conversations finds its planted violations in a recorded history of agents; the history itself has none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from motet.chassis.message import Message
from recorded import AGENTS, Recorded, recorded

# Tampers with a history; the record that is to be named.
Tamper = Callable[[Recorded], Message]


def test_the_recorded_history_of_agents_has_no_violation() -> None:
    """Agents that ask each other and people, kills, refusals, a time limit."""
    found = recorded(AGENTS).audit()
    assert found.findings == []
    assert found.rules["conversations"].checked > 80


def steps(log: Recorded, outcome: str) -> list[Message]:
    """Decisions of the desk about its first conversation with this outcome, without repeats."""
    found: dict[bytes, Message] = {}
    for many in log.by.values():
        for one in many:
            if one.topic != "motet.agents":
                continue
            kind, data = log.data(one)
            if kind == "AgentStepped" and (data["conversation"], data["outcome"]) == ("c1", outcome):
                found.setdefault(one.value or b"", one)
    return list(found.values())


def another_step(log: Recorded) -> Message:
    """A decision has another number."""
    return log.rewrite(steps(log, "GOES_ON")[1], lambda datum: datum.update(step=7))


def behind_its_end(log: Recorded) -> Message:
    """A conversation that ended goes on."""
    return log.forge(steps(log, "DONE")[0], lambda datum: datum.update(step=6, outcome="GOES_ON"))


def never_began(log: Recorded) -> Message:
    """A conversation's first message is none any more."""
    begins = log.find("MessageTaken", lambda datum: datum["conversation"] == "c1" and datum["begins"])
    return log.rewrite(begins, lambda datum: datum.update(begins=False))


OF_AGENTS = ((another_step, "conversations"), (behind_its_end, "conversations"), (never_began, "conversations"))


@pytest.mark.parametrize(("tamper", "rule"), OF_AGENTS, ids=lambda one: getattr(one, "__name__", ""))
def test_what_is_changed_of_a_conversation_is_named(tamper: Tamper, rule: str) -> None:
    """With all its digests made anew; what comes next does not fit either."""
    log = recorded(AGENTS)
    changed = tamper(log)
    found = log.chained().audit()
    assert next(one.where for one in found.findings if one.rule == rule) == changed.where
