"""The laws of the queues: what may share shares, what may not waits in the order of the log, and everything ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.records import Claim, ClaimMode
from motet.resources import Queues
from motet.resources.queues import Member, merged

MODES: list[ClaimMode] = ["READ", "WRITE", "COMMUTE"]


def compatible(one: ClaimMode, other: ClaimMode) -> bool:
    """Readers share with readers, commuting calls with commuting calls, nothing else."""
    return one == other and one in ("READ", "COMMUTE")


@dataclass
class Model:
    """The rule of the queues in its plainest form: look at everything again after every step."""

    line: list[tuple[Member, dict[str, ClaimMode]]] = field(default_factory=list)
    held: set[Member] = field(default_factory=set)

    def holders(self, resource: str) -> list[Member]:
        """In log order up to the first that does not fit: those that have the resource."""
        out: list[tuple[Member, ClaimMode]] = []
        for member, modes in self.line:
            if resource not in modes:
                continue
            others = [mode for other, mode in out if not (other in self.held and other[0] == member[0])]
            if not all(compatible(mode, modes[resource]) for mode in others):
                break
            out.append((member, modes[resource]))
        return [member for member, _ in out]

    def granted(self) -> list[Member]:
        """The calls that have everything and are not done."""
        return [
            member
            for member, modes in self.line
            if member not in self.held and all(member in self.holders(resource) for resource in modes)
        ]

    def gone(self, member: Member) -> None:
        """A call stands nowhere any more."""
        self.line = [entry for entry in self.line if entry[0] != member]
        self.held.discard(member)


@st.composite
def plans(draw: st.DrawFn) -> list[tuple[bool, list[dict[str, ClaimMode]]]]:
    """Plans in log order: whether they hold, and what each call claims."""
    claims = st.dictionaries(st.sampled_from("abc"), st.sampled_from(MODES), max_size=3)
    plan = st.tuples(st.booleans(), st.lists(claims, min_size=1, max_size=4))
    return draw(st.lists(plan, min_size=1, max_size=5))


@settings(max_examples=300)
@given(plans(), st.randoms(use_true_random=False))
def test_the_queues_grant_what_the_plain_rule_grants(
    submitted: list[tuple[bool, list[dict[str, ClaimMode]]]], chance: Random
) -> None:
    """At every step, with plans entering, calls finishing, calls skipped while they wait, and plans ending in any order.

    So no two conflicting calls have a resource at once, and since the first in line always has it, nothing waits for ever.
    """
    queues, model = Queues(), Model()
    open_calls: dict[str, set[int]] = {}
    holds = {f"p{number}": hold for number, (hold, _) in enumerate(submitted)}
    entering = list(enumerate(submitted))
    granted: set[Member] = set()
    while entering or open_calls:
        if entering and (not open_calls or chance.random() < 0.3):
            number, (_, calls) = entering.pop(0)
            plan_id = f"p{number}"
            open_calls[plan_id] = set(range(len(calls)))
            for index, modes in enumerate(calls):
                queues.add(plan_id, index, [Claim(resource, mode) for resource, mode in modes.items()])
                model.line.append(((plan_id, index), modes))
        else:
            plan_id, index = member = progress(chance, model, open_calls)
            ran = member in model.granted()
            queues.finish(plan_id, index, hold=holds[plan_id] and ran)
            if holds[plan_id] and ran:
                model.held.add(member)
            else:
                model.gone(member)
            granted.discard(member)
            open_calls[plan_id].discard(index)
            if not open_calls[plan_id]:
                del open_calls[plan_id]
                queues.end(plan_id)
                for entry in [one for one, _ in model.line if one[0] == plan_id]:
                    model.gone(entry)
        new = queues.take_granted()
        assert len(new) == len(set(new))
        assert granted.isdisjoint(new)
        granted.update(one for one in new if one[1] in open_calls.get(one[0], ()))
        assert granted == set(model.granted())
        for resource in "abc":
            assert sorted(queues.holders(resource)) == sorted(model.holders(resource))
    assert not queues.queues
    assert not queues.claims
    assert not queues.missing
    assert not queues.plans


def progress(chance: Random, model: Model, open_calls: dict[str, set[int]]) -> Member:
    """The next call that is done: mostly one that has everything, sometimes one that is skipped while it waits."""
    ready = model.granted()
    # The law of no deadlock: while anything is open, something has everything that it claims.
    assert ready
    waiting = [(plan, index) for plan, indexes in open_calls.items() for index in indexes if (plan, index) not in ready]
    return chance.choice(waiting if waiting and chance.random() < 0.2 else ready)


@pytest.mark.parametrize("mode", ["READ", "COMMUTE"])
def test_what_may_share_shares(mode: ClaimMode) -> None:
    """Readers are granted together, commuting calls as well."""
    queues = Queues()
    for number in range(3):
        queues.add(f"p{number}", 0, [Claim("a", mode)])
    assert queues.take_granted() == [("p0", 0), ("p1", 0), ("p2", 0)]


@pytest.mark.parametrize(
    ("first", "second"),
    [("READ", "WRITE"), ("WRITE", "READ"), ("WRITE", "WRITE"), ("READ", "COMMUTE"), ("COMMUTE", "WRITE")],
)
def test_what_conflicts_waits(first: ClaimMode, second: ClaimMode) -> None:
    """In the order of the log, until the one before is done."""
    queues = Queues()
    queues.add("p0", 0, [Claim("a", first)])
    queues.add("p1", 0, [Claim("a", second)])
    assert queues.take_granted() == [("p0", 0)]
    assert (queues.holders("a"), queues.waiters("a")) == ([("p0", 0)], [("p1", 0)])
    queues.finish("p0", 0, hold=False)
    assert queues.take_granted() == [("p1", 0)]


def test_a_reader_behind_a_writer_does_not_overtake_it() -> None:
    """Otherwise readers could starve a writer, and the log's order would not be the order."""
    queues = Queues()
    for number, mode in enumerate(["READ", "WRITE", "READ"]):
        queues.add(f"p{number}", 0, [Claim("a", mode)])  # type: ignore[arg-type]
    assert queues.take_granted() == [("p0", 0)]


def test_a_mode_of_a_later_version_is_alone() -> None:
    """It is read as UNKNOWN, and what it may share with is not known."""
    queues = Queues()
    for number in range(2):
        queues.add(f"p{number}", 0, [Claim("a", "UNKNOWN")])
    assert queues.take_granted() == [("p0", 0)]


def test_a_plan_keeps_its_resources_and_a_call_gives_them_back() -> None:
    """Plan isolation: others wait for the plan's end, its own calls do not. Call isolation: others wait for the call's end."""
    queues = Queues()
    for plan_id, index in (("p0", 0), ("p0", 1), ("p1", 0)):
        queues.add(plan_id, index, [Claim("a", "WRITE")])
    assert queues.take_granted() == [("p0", 0)]
    queues.finish("p0", 0, hold=True)
    assert queues.take_granted() == [("p0", 1)]
    queues.finish("p0", 1, hold=True)
    assert queues.take_granted() == []
    queues.end("p0")
    assert queues.take_granted() == [("p1", 0)]


def test_two_claims_on_one_resource_are_one() -> None:
    """The stronger one; reading and commuting together can only be a write."""
    claims = [Claim("a", "READ"), Claim("b", "READ"), Claim("a", "READ"), Claim("b", "COMMUTE"), Claim("c", "WRITE")]
    assert merged(claims) == (Claim("a", "READ"), Claim("b", "WRITE"), Claim("c", "WRITE"))
    assert merged([Claim("a", "WRITE"), Claim("a", "READ")]) == (Claim("a", "WRITE"),)


def test_a_call_without_claims_waits_for_nothing() -> None:
    """Pure tools claim nothing."""
    queues = Queues()
    queues.add("p0", 0, [])
    assert queues.take_granted() == [("p0", 0)]
    queues.finish("p0", 0, hold=False)
    queues.end("p0")
    assert not queues.plans
