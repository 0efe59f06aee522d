"""Plans that take leases before they get in line: the laws, and what each word leads to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faults import META, Desk, call, result_of, tool
from leased import LEASING, Town, taken
from motet.client import read_plan_file
from motet.leases.book import Book
from motet.leases.desk import Desk as LeaseDesk
from motet.leases.lease import Ended, Granted
from motet.leases.limits import LeaseLimits
from motet.plan import Limits, Plan, Undoing, Word, admit, plan_id_of
from motet.plan.contracts import Contracts
from motet.records import (
    BarrierRaised,
    CallsLinedUp,
    Claim,
    FinishedCall,
    GiveBackLeases,
    HeldLease,
    LeasesDenied,
    LeasesLost,
    Policy,
    Reason,
    ReleaseLease,
    RenewLease,
    ReserveResources,
    SubmitPlan,
    TakeLeases,
    ToolContract,
)

SEEDS: Final = st.integers(0, 2**32)


def words(desk: Desk) -> list[tuple[str, str]]:
    """What a host said to the lease service: word and scope."""
    return [(one.record.func.__name__, one.scope or "") for one in desk.steps if isinstance(one, Word)]


@settings(max_examples=120, deadline=None)
@given(SEEDS, st.integers(1, 6))
def test_plans_with_leases_and_resources_all_end(seed: int, plans: int) -> None:
    """No deadlock, no two users of a lease, tokens that rise, nothing in a line waits for a lease; every host is restarted at every step."""
    town = Town(Random(seed))  # noqa: S311  no secret
    for _ in range(plans):
        town.some_plan()
        for _ in range(town.random.randint(0, 4)):
            town.step()
    town.finish(1.0)
    town.over()


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.integers(2, 6))
def test_plans_that_are_late_for_their_leases_all_end(seed: int, plans: int) -> None:
    """Leases run out, waits run out, calls come late and are refused by the fence: every plan has its one end all the same."""
    town = Town(Random(seed), late=True)  # noqa: S311  no secret
    for _ in range(plans):
        town.some_plan()
        for _ in range(town.random.randint(0, 4)):
            town.step()
        town.wait(town.random.choice((0.5, 20.0, 40.0, 700.0)))
    town.finish(50.0)
    town.over()


def test_it_takes_everything_scope_by_scope_and_then_gets_in_line() -> None:
    """In canonical order, those of a scope at once, those of what undoes its calls among them; the calls carry the tokens."""
    desk = Desk(*LEASING)
    plan = desk.submit(call("scan"), call("print", "b"), call("note"))
    (asked,) = [one for one in desk.steps if isinstance(one, Word)]
    assert (asked.scope, asked.record.keywords["resources"]) == ("here", ("printer:b", "shredder:a"))
    # It may have to wait for those of the other scope, so the first are asked for that much longer.
    assert asked.record.keywords["duration_seconds"] == 300.0 + 600.0
    assert asked.record.keywords["wait_until"] == desk.now + 600_000
    assert not desk.sent()
    desk.steps_of(lambda schedule: schedule.leases(taken(plan, "here", 7)))
    assert words(desk) == [("TakeLeases", "here"), ("TakeLeases", "there")]
    assert not desk.sent()
    steps = desk.steps_of(lambda schedule: schedule.leases(taken(plan, "there", 3)))
    assert [one["calls"][0].index for one in desk.facts(CallsLinedUp)] == [0]
    begun = {one.index: one.leases for step in steps for one in getattr(step, "invocations", ())}
    assert begun == {
        0: (HeldLease("there", "scanner:a", 3),),
        1: (HeldLease("here", "printer:b", 7),),
        2: (),
    }
    # A grant that comes again begins nothing.
    assert desk.steps_of(lambda schedule: schedule.leases(taken(plan, "there", 3))) == []
    desk.succeed(plan, 0, 1, 2)
    assert words(desk)[2:] == [("GiveBackLeases", "here"), ("GiveBackLeases", "there")]
    assert not desk.schedule.plans


def test_another_plan_passes_while_one_waits_for_its_leases() -> None:
    """Outside of the lines nobody is in anybody's way."""
    desk = Desk(*LEASING)
    desk.submit(call("print"))
    other = desk.submit(call("pay"))
    assert desk.sent(other) == [(0, 1, "RUN")]


def test_a_plan_that_waits_too_long_ends_and_withdraws() -> None:
    """By the host's own time, so also while no lease service answers; a grant that crosses that begins nothing."""
    desk = Desk(*LEASING)
    plan = desk.submit(call("print"), lease_wait_seconds=5.0)
    desk.wait(4.9)
    assert plan.outcome == "UNKNOWN"
    desk.wait(0.2)
    assert [one["reason"] for one in desk.facts(BarrierRaised)] == ["it did not get its leases within 5 s"]
    assert (plan.outcome, plan.calls[0].outcome) == ("FAILED", "CANCELLED")
    assert words(desk) == [("TakeLeases", "here"), ("GiveBackLeases", "here")]
    assert desk.steps_of(lambda schedule: schedule.leases(taken(plan, "here", 1))) == []


def test_a_cancelled_plan_withdraws() -> None:
    """Whether it waits or has some already."""
    desk = Desk(*LEASING)
    plan = desk.submit(call("post"))
    desk.steps_of(lambda schedule: schedule.leases(taken(plan, "here", 1)))
    desk.cancel(plan)
    assert words(desk)[2:] == [("GiveBackLeases", "here"), ("GiveBackLeases", "there")]


def test_a_plan_that_is_refused_ends_with_the_reason() -> None:
    """And gives back what it had before."""
    desk = Desk(*LEASING)
    plan = desk.submit(call("post"), call("note", after=[0]))
    desk.steps_of(lambda schedule: schedule.leases(taken(plan, "here", 1)))
    no = LeasesDenied(META, plan.plan_id, "there", "TOO_MANY_LEASES", "later")
    desk.steps_of(lambda schedule: schedule.leases(no))
    assert [(one.outcome, one.error and one.error.code) for one in plan.calls] == [
        ("FAILED", "TOO_MANY_LEASES"),
        ("SKIPPED", "DEPENDENCY_FAILED"),
    ]
    assert words(desk)[2:] == [("GiveBackLeases", "here")]
    assert not desk.schedule.plans


def test_what_has_not_begun_when_the_time_is_over_does_not_begin() -> None:
    """What runs goes on, and the fence decides about it; of a token that is not its own a plan loses nothing."""
    desk = Desk(*LEASING)
    plan = desk.submit(call("print"), call("print", after=[0]), call("note", after=[0]))
    desk.steps_of(lambda schedule: schedule.leases(taken(plan, "here", 4)))
    desk.steps_of(lambda schedule: schedule.leases(LeasesLost(META, plan.plan_id, "here", 3)))
    assert plan.calls[1].status == "WAITING"
    desk.steps_of(lambda schedule: schedule.leases(LeasesLost(META, plan.plan_id, "here", 4)))
    assert plan.calls[0].status == "STARTED"
    desk.succeed(plan, 0)
    desk.succeed(plan, 2)
    assert [(one.outcome, one.error and one.error.code) for one in plan.calls] == [
        ("SUCCEEDED", None),
        ("FAILED", "STALE_TOKEN"),
        ("SUCCEEDED", None),
    ]
    assert words(desk) == [("TakeLeases", "here")]


def test_an_attempt_is_not_repeated_without_its_lease() -> None:
    """A retry that is due after the lease is over fails the call; one that may have happened is in doubt."""
    for outcome, ends in (("FAILED", "FAILED"), ("IN_DOUBT", "FAILED")):
        desk = Desk(*LEASING)
        plan = desk.submit(call("print"))
        desk.steps_of(lambda schedule, plan=plan: schedule.leases(taken(plan, "here", 4)))  # type: ignore[misc]
        desk.report(plan, FinishedCall(0, plan.calls[0].key, 1, outcome, None, None, retry=True))  # type: ignore[arg-type]
        assert plan.calls[0].status == "RETRYING"
        lost = LeasesLost(META, plan.plan_id, "here", 4)
        desk.steps_of(lambda schedule, lost=lost: schedule.leases(lost))  # type: ignore[misc]
        desk.wait(20)
        status = plan.calls[0]
        assert (status.outcome if outcome == "FAILED" else status.status) == (
            ends if outcome == "FAILED" else "IN_DOUBT"
        )


def test_people_are_asked_before_a_lease_is_taken() -> None:
    """Nobody holds a lease while a person decides."""
    desk = Desk(*LEASING)
    plan = desk.submit(call("sign"), call("print"))
    assert words(desk) == []
    desk.approve(plan, 0)
    assert words(desk) == [("TakeLeases", "here")]
    assert desk.sent(plan) == []
    desk.steps_of(lambda schedule: schedule.leases(taken(plan, "here", 1)))
    assert desk.sent(plan) == [(0, 1, "RUN"), (1, 1, "RUN")]


def test_a_call_that_was_denied_takes_nothing_into_the_lines() -> None:
    """The others take their leases and run."""
    desk = Desk(*LEASING)
    plan = desk.submit(call("sign"), call("print"))
    desk.deny(plan, 0)
    desk.steps_of(lambda schedule: schedule.leases(taken(plan, "here", 1)))
    desk.succeed(plan, 1)
    assert [one.outcome for one in plan.calls] == ["FAILED", "SUCCEEDED"]


def test_a_call_in_doubt_keeps_the_leases_of_its_plan() -> None:
    """Until it is settled: nobody knows what it does to what is leased."""
    desk = Desk(*LEASING)
    plan = desk.submit(call("post"), policy=Policy(in_doubt="END"))
    for scope in ("here", "there"):
        desk.steps_of(lambda schedule, scope=scope: schedule.leases(taken(plan, scope, 1)))  # type: ignore[misc]
    desk.lose(plan, 0)
    assert plan.outcome == "IN_DOUBT"
    assert ("GiveBackLeases", "here") not in words(desk)
    desk.settle(plan, 0, "DID_NOT_HAPPEN")
    assert words(desk)[2:] == [("GiveBackLeases", "here"), ("GiveBackLeases", "there")]


def test_a_compensation_runs_under_the_leases_of_both() -> None:
    """Its own, and those of what it undoes; without them it does not begin."""
    for over in (False, True):
        desk = Desk(*LEASING)
        plan = desk.submit(call("scan"), call("pay", after=[0]), policy=Policy(on_failure="COMPENSATE"))
        for one in (taken(plan, "here", 5), taken(plan, "there", 6)):
            desk.steps_of(lambda schedule, one=one: schedule.leases(one))  # type: ignore[misc]
        desk.succeed(plan, 0)
        if over:
            lost = LeasesLost(META, plan.plan_id, "here", 5)
            desk.steps_of(lambda schedule, lost=lost: schedule.leases(lost))  # type: ignore[misc]
        desk.fail(plan, 1)
        if over:
            assert plan.outcome == "COMPENSATION_FAILED"
            continue
        (undoing,) = [step for step in desk.steps if isinstance(step, Undoing)]
        assert undoing.invocation.leases == (HeldLease("here", "shredder:a", 5), HeldLease("there", "scanner:a", 6))


def test_a_plan_names_leases_of_its_own() -> None:
    """All its calls run under them, for as long as the plan says."""
    desk = Desk(*LEASING)
    plan = desk.submit(call("note"), leases=("here/key",), lease_seconds=20.0)
    (asked,) = [one for one in desk.steps if isinstance(one, Word)]
    assert (asked.record.keywords["resources"], asked.record.keywords["duration_seconds"]) == (("key",), 20.0)
    (began,) = [
        one
        for step in desk.steps_of(lambda schedule: schedule.leases(taken(plan, "here", 9)))
        for one in getattr(step, "invocations", ())
    ]
    assert began.leases == (HeldLease("here", "key", 9),)


def test_a_hybrid_plan_takes_leases_first_and_resources_then() -> None:
    """Who has a place in the coordinator's lines waits for no lease."""
    desk = Desk(*LEASING)
    plan = desk.submit(call("print"), mode="HYBRID")
    assert words(desk) == [("TakeLeases", "here")]
    desk.steps_of(lambda schedule: schedule.leases(taken(plan, "here", 1)))
    assert words(desk) == [("TakeLeases", "here"), (ReserveResources.__name__, "")]
    asked = [one for one in desk.steps if isinstance(one, Word)][-1]
    assert asked.record.keywords["claims"] == (Claim("account:a", "WRITE"),)
    assert not desk.sent()
    desk.steps_of(lambda schedule: schedule.granted(plan.plan_id))
    assert desk.sent(plan) == [(0, 1, "RUN")]
    desk.succeed(plan, 0)
    assert [name for name, _ in words(desk)[2:]] == ["ReleaseResources", "GiveBackLeases"]


def rejected(*tools: ToolContract, first: Any = None, **more: Any) -> list[tuple[str, str]]:
    """Why a plan of one call is no plan."""
    contracts = Contracts()
    for one in (*LEASING, tool("f.pay"), *tools):
        contracts.add(one)
    calls = tuple(one(index) for index, one in enumerate((call("pay"), first or call("pay"))))
    command = SubmitPlan("k", "acme", "d", "agent", "PLAN", calls, None, None, **more)
    answer = admit(command, "p0", 100, contracts, Limits(lease_seconds=100.0, leases_per_scope=2), 0)
    assert not isinstance(answer, Plan)
    return [(one.code, one.message) for one in answer]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({"leases": ("printer",)}, "BAD_LEASE", "is no scope/resource"),
        ({"leases": ("/printer",)}, "BAD_LEASE", "the scope, before the slash, has 1 to 200 printable characters"),
        ({"leases": ("here/a\x00",)}, "BAD_LEASE", "the resource, behind the slash,"),
        ({"leases": ("here/a", "here/b", "here/c")}, "BAD_LEASE", "3 resources of scope 'here'; the limit is 2"),
        (
            {"leases": tuple(f"s{n}/a" for n in range(9)), "lease_wait_seconds": 1.0, "lease_seconds": 1.0},
            "BAD_LEASE",
            "in 9 scopes; the limit is 8",
        ),
        (
            {"leases": ("here/a",), "lease_seconds": 101.0},
            "BAD_LEASE",
            "lease_seconds is 101; it is above 0 and at most 100",
        ),
        ({"leases": ("here/a",), "lease_seconds": float("nan")}, "BAD_LEASE", "lease_seconds is nan"),
        ({"leases": ("here/a",), "lease_wait_seconds": 0.0}, "BAD_LEASE", "lease_wait_seconds is 0; it is above 0"),
        ({"leases": ("here/a", "there/b"), "lease_seconds": 50.0}, "BAD_LEASE", "together, 650; the limit is 100"),
        ({"first": call("print", result_of(0))}, "LEASE_NOT_KNOWN", "the lease here/printer:{key} of f.print follows"),
        ({"first": call("sign", n=result_of(0))}, "LEASE_NOT_KNOWN", "waits for a person once its arguments are known"),
        ({"first": call("lend")}, "LEASE_NOT_KNOWN", "the lease here/shredder:{key} of f.shred follows from a result"),
    ],
)
def test_what_nobody_could_grant_is_refused(more: dict[str, Any], code: str, said: str) -> None:
    """With the value, the limit, and what to do."""
    lend = tool("f.lend", undone_by="f.shred", undo_arguments='{"key":{"$result":"/id"}}')
    assert [(found, said in message) for found, message in rejected(lend, **more)] == [(code, True)]


def test_leases_are_a_part_of_what_a_plan_is() -> None:
    """With others it is another plan; without any it has the name that it always had."""
    calls = (call("pay")(0),)
    names = {
        plan_id_of(SubmitPlan("k", "acme", "d", "agent", "PLAN", calls, None, None, **more))
        for more in (
            {},
            {"leases": ("here/a",)},
            {"leases": ("here/b",)},
            {"leases": ("here/a",), "lease_seconds": 1.0},
        )
    }
    assert len(names) == 4


def test_plans_that_wait_for_leases_leave_room_for_others() -> None:
    """P8: as many as there may be are refused further ones; who has its leases does not count."""
    desk = Desk(*LEASING, limits=Limits(lease_waiters=2))
    first, second, other = desk.submit(call("print")), desk.submit(call("print")), desk.submit(call("note"))
    refusal = desk.schedule.crowded(first)
    assert refusal is not None
    assert (refusal.code, "2 plans of the shard wait for leases; the limit is 2" in refusal.message) == (
        "TOO_MANY_LEASE_WAITS",
        True,
    )
    assert desk.schedule.crowded(other) is None
    desk.steps_of(lambda schedule: schedule.leases(taken(second, "here", 1)))
    assert desk.schedule.crowded(first) is None


def test_the_desk_takes_a_plans_words_once() -> None:
    """A repeat changes nothing, neither of asking nor of giving back; one that comes too late is answered at once."""
    desk = LeaseDesk(Book(), LeaseLimits(per_tenant=2))
    meta = replace(META, tenant="acme", domain="one")
    ask = TakeLeases(meta, "p0", "here", ("a",), 30.0, 5_000)
    assert [type(step) for step in desk.take(ask, 1_000)] == [Granted]
    assert desk.take(ask, 1_000) == []
    (late,) = desk.take(replace(ask, plan_id="p1"), 5_000)
    assert isinstance(late, Reason)
    assert (late.code, "is held by 'plan:p0'" in late.message) == ("HELD", True)
    (waits,) = desk.take(replace(ask, plan_id="p1"), 4_567)
    assert waits.lease.wait_until == 5_000  # type: ignore[union-attr]
    (full,) = desk.take(replace(ask, plan_id="p2", resources=("b",)), 4_567)
    assert isinstance(full, Reason)
    assert full.code == "TOO_MANY_LEASES"
    give = GiveBackLeases(meta, "p0", "here")
    assert [type(step) for step in desk.give_back(give, 4_600)] == [Ended, Granted]
    assert desk.give_back(give, 4_600) == []


def test_nobody_gives_back_in_a_plans_name() -> None:
    """Not even who says that it is the plan and knows the token: the plan would go on without its lease."""
    desk = LeaseDesk(Book(), LeaseLimits())
    ask = TakeLeases(replace(META, tenant="acme", domain="one"), "p0", "here", ("a",), 30.0, 5_000)
    (granted,) = desk.take(ask, 1_000)
    lease = granted.lease  # type: ignore[union-attr]
    who = "k", "acme", "here", lease.holder, lease.lease_id, lease.token
    for answer in (desk.release(ReleaseLease(*who), 1_000), desk.renew(RenewLease(*who, 5.0), 1_000)):
        assert isinstance(answer, tuple)
        assert (answer[0].code, "cancel the plan" in answer[0].message) == ("OTHER_HOLDER", True)


def test_a_plan_file_names_leases(tmp_path: Path) -> None:
    """As the client does."""
    file = tmp_path / "plan.yaml"
    text = "tenant: acme\ndomain: d\ncalls: [{tool: r.get, arguments: {key: a}}]\n"
    file.write_text(text)
    plain = read_plan_file(file, "k")
    assert (plain.leases, plain.lease_seconds, plain.lease_wait_seconds) == ((), None, None)
    file.write_text(f"{text}leases: [shared/key]\nlease_seconds: 9\nlease_wait_seconds: 0.5\n")
    plan = read_plan_file(file, "k")
    assert (plan.leases, plan.lease_seconds, plan.lease_wait_seconds) == (("shared/key",), 9.0, 0.5)
    assert plan_id_of(plan) != plan_id_of(plain)
