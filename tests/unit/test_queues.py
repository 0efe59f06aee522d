"""The laws of the queues: what may share shares, what may not waits in the order of the log, and everything ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from random import Random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.records import Claim, ClaimMode
from motet.resources import Queues, is_whole, merged, whole_before
from motet.resources.names import covers, wholes_above
from motet.resources.queues import Member

NAMES: Final = ("a", "b", "b:1", "x:1", "x:2", "x:*", "x:y:1", "x:y:*", "*")
KINDS: Final[tuple[tuple[ClaimMode, str], ...]] = (
    *(("READ", ""), ("WRITE", ""), ("COMMUTE", ""), ("COMMUTE", "deposit")),
)
Claims = tuple[Claim, ...]


def compatible(one: Claim, other: Claim) -> bool:
    """Readers share with readers, calls of a commuting operation among themselves, nothing else."""
    return (one.mode, one.operation) == (other.mode, other.operation) and one.mode in ("READ", "COMMUTE")


def overlap(one: str, other: str) -> bool:
    """Whether two names have something in common: they are one, or one is the whole of what begins as the other does."""
    return counts_at(one, other) or counts_at(other, one)


def counts_at(name: str, claimed: str) -> bool:
    """Whether a claim counts at a name: it is on the name itself, or on what that is the whole of."""
    return name == claimed or (name.endswith("*") and claimed.startswith(name[:-1]))


@dataclass
class Model:
    """The rule of the queues in its plainest form: look at everything again after every step."""

    line: list[tuple[Member, Claims]] = field(default_factory=list)
    held: set[Member] = field(default_factory=set)

    def inside(self, name: str) -> list[tuple[Member, Claim]]:
        """In log order up to the first that does not fit: those that have a name, or something below it."""
        out: list[tuple[Member, Claim]] = []
        for member, claims in self.line:
            for claim in claims:
                if not counts_at(name, claim.resource):
                    continue
                others = [
                    had
                    for other, had in out
                    if not (other in self.held and other[0] == member[0]) and name in (claim.resource, had.resource)
                ]
                if not all(compatible(had, claim) for had in others):
                    return out
                out.append((member, claim))
        return out

    def holders(self, name: str) -> list[Member]:
        """Those that have a name itself."""
        return [member for member, claim in self.inside(name) if claim.resource == name]

    def granted(self) -> list[Member]:
        """The calls that have everything and are not done."""
        inside = {name: self.inside(name) for name in NAMES}
        return [
            member
            for member, claims in self.line
            if member not in self.held
            and all(
                (member, claim) in inside[name] for claim in claims for name in NAMES if counts_at(name, claim.resource)
            )
        ]

    def gone(self, member: Member) -> None:
        """A call stands nowhere any more."""
        self.line = [entry for entry in self.line if entry[0] != member]
        self.held.discard(member)


def at_once(model: Model, granted: set[Member]) -> Iterator[tuple[Claim, Claim]]:
    """Claims with something in common of two calls that have everything at once, or whose plan keeps it from another."""
    having = [(member, claims) for member, claims in model.line if member in granted or member in model.held]
    for (one, claims), (other, others) in combinations(having, 2):
        if one[0] != other[0] or (one in granted and other in granted):
            yield from ((a, b) for a in claims for b in others if overlap(a.resource, b.resource))


@st.composite
def plans(draw: st.DrawFn) -> list[tuple[bool, list[Claims]]]:
    """Plans in log order: whether they hold, and what each call claims."""
    claim = st.tuples(st.sampled_from(NAMES), st.sampled_from(KINDS)).map(lambda one: Claim(one[0], *one[1]))
    plan = st.tuples(st.booleans(), st.lists(st.lists(claim, max_size=3).map(merged), min_size=1, max_size=4))
    return draw(st.lists(plan, min_size=1, max_size=5))


@settings(max_examples=400, deadline=None)
@given(plans(), st.randoms(use_true_random=False))
def test_the_queues_grant_what_the_plain_rule_grants(
    submitted: list[tuple[bool, list[Claims]]], chance: Random
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
            for index, claims in enumerate(calls):
                queues.add(plan_id, index, claims)
                model.line.append(((plan_id, index), claims))
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
        for name in NAMES:
            assert sorted(queues.holders(name)) == sorted(model.holders(name))
        assert all(compatible(one, other) for one, other in at_once(model, granted))
    assert not queues.queues
    assert not queues.standing


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
    assert not queues.standing


def test_a_whole_waits_for_what_is_below_it_and_what_comes_later_waits_for_the_whole() -> None:
    """Closing the books excludes every account, and lets other names be; who was there before it goes on."""
    queues = Queues()
    queues.add("before", 0, [Claim("account:1", "WRITE")])
    queues.add("close", 0, [Claim("account:*", "WRITE")])
    queues.add("after", 0, [Claim("account:2", "READ")])
    queues.add("beside", 0, [Claim("report:1", "WRITE")])
    assert queues.take_granted() == [("before", 0), ("beside", 0)]
    assert queues.waiters("account:*") == [("close", 0), ("after", 0)]
    queues.finish("before", 0, hold=False)
    assert queues.take_granted() == [("close", 0)]
    queues.end("close")
    assert queues.take_granted() == [("after", 0)]


def test_wholes_nest_and_the_domain_covers_all() -> None:
    """A reader of everything shares with readers at any depth, and with nobody else."""
    queues = Queues()
    queues.add("all", 0, [Claim("*", "READ")])
    queues.add("deep", 0, [Claim("bank:account:1", "READ")])
    queues.add("branch", 0, [Claim("bank:*", "WRITE")])
    assert queues.take_granted() == [("all", 0), ("deep", 0)]
    queues.end("all")
    assert queues.take_granted() == []
    queues.end("deep")
    assert queues.take_granted() == [("branch", 0)]


def test_a_plan_may_close_what_it_has_used() -> None:
    """Its own finished calls below a whole do not stand in its way; those of others do."""
    queues = Queues()
    for index, name in enumerate(["account:1", "account:*"]):
        queues.add("p", index, [Claim(name, "WRITE")])
    queues.add("q", 0, [Claim("account:1", "WRITE")])
    assert queues.take_granted() == [("p", 0)]
    queues.finish("p", 0, hold=True)
    assert queues.take_granted() == [("p", 1)]
    queues.finish("p", 1, hold=True)
    assert queues.take_granted() == []
    queues.end("p")
    assert queues.take_granted() == [("q", 0)]
    queues.end("q")
    assert not queues.queues


def test_domains_are_apart_also_with_wholes() -> None:
    """The whole of a domain is none of another's business."""
    queues = Queues()
    queues.add("p", 0, [Claim("*", "WRITE")], "acme/d/")
    queues.add("q", 0, [Claim("*", "WRITE")], "acme/e/")
    queues.add("r", 0, [Claim("a", "WRITE")], "acme/d/")
    assert queues.take_granted() == [("p", 0), ("q", 0)]
    assert queues.in_the_way(Claim("a", "READ"), "acme/d/") == [("p", 0)]
    assert queues.in_the_way(Claim("*", "READ"), "acme/e/") == [("q", 0)]
    assert queues.in_the_way(Claim("a", "READ"), "acme/f/") == []


def test_what_is_below_a_whole_stands_in_its_way() -> None:
    """Asked before anybody gets in line: which holders could not share."""
    queues = Queues()
    queues.add("p", 0, [Claim("account:1", "COMMUTE", "deposit")])
    queues.add("q", 0, [Claim("account:2", "READ")])
    assert queues.in_the_way(Claim("account:*", "READ")) == [("p", 0)]
    assert queues.in_the_way(Claim("account:*", "COMMUTE", "deposit")) == [("q", 0)]


def test_commuting_is_within_one_operation() -> None:
    """Deposits commute with deposits; whether they do with interest nobody said."""
    queues = Queues()
    for number, operation in enumerate(["deposit", "deposit", "interest", ""]):
        queues.add(f"p{number}", 0, [Claim("a", "COMMUTE", operation)])
    assert queues.take_granted() == [("p0", 0), ("p1", 0)]
    queues.end("p0")
    queues.end("p1")
    assert queues.take_granted() == [("p2", 0)]


def test_claims_of_one_call_are_one_for_what_overlaps() -> None:
    """A call never waits for itself: a whole takes in what is below it, and is as strong as the strongest of these."""
    claims = (Claim("account:1", "WRITE"), Claim("account:*", "READ"), Claim("b", "READ"), Claim("b:c", "READ"))
    assert merged(claims) == (Claim("account:*", "WRITE"), Claim("b", "READ"), Claim("b:c", "READ"))
    assert merged((Claim("x:*", "READ"), Claim("*", "READ"), Claim("x:1", "READ"))) == (Claim("*", "READ"),)
    deposits = (Claim("a", "COMMUTE", "deposit"), Claim("a", "COMMUTE", "interest"))
    assert merged(deposits) == (Claim("a", "WRITE"),)


@given(st.text(":ab*", max_size=12), st.text(":ab", max_size=40))
def test_a_whole_covers_what_its_name_says(text: str, rest: str) -> None:
    """What is known of a name names a whole that covers it; and every whole above a name covers it, and is a whole."""
    whole = whole_before(text)
    assert is_whole(whole)
    assert covers(whole, text + rest)
    for above in wholes_above(text + rest):
        assert is_whole(above)
        assert covers(above, text + rest)
        assert above != text + rest


def test_levels_are_counted_to_a_limit() -> None:
    """A name of many levels costs no more than one of eight; a whole below these is the one above it."""
    deep = ":".join("abcdefghijkl")
    assert wholes_above(deep)[-1] == "a:b:c:d:e:f:g:h:*"
    assert merged([Claim(deep + ":*", "READ")]) == (Claim("a:b:c:d:e:f:g:h:*", "READ"),)
