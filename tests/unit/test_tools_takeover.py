"""What a handler finds when it is opened: intents of others, whose time it waits for, and its own process's attempts, which go on."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from motet.chassis.subject_keys import SubjectKeys
from motet.records import HeldLease, InvocationMode, InvokeCalls, StopCalls, StoppedCall
from motet.tools.intents import Left, token_of
from motet.tools.outside import Outside
from motet.tools.work import Work
from shop import META, SECONDS, Overtaken, Shop, drain, invocation, left_of, opening, overdue, said, wait_for


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop, whose threads end with the test."""
    made = Shop()
    yield made
    made.gate.free.set()
    made.workers.loop.close()


@pytest.fixture
def waiting(shop: Shop) -> Work:
    """An attempt that waits, behind one that has the only thread."""
    shop.begin(shop.work(index=1))
    assert shop.gate.begun.wait(SECONDS)
    work = shop.work()
    shop.begin(work)
    return work


@pytest.mark.parametrize(
    ("effect", "stopped", "expected"),
    [
        ("pure", False, ["again"]),
        ("pure", True, ["FAILED CRASHED"]),
        ("idempotent", False, ["again"]),
        ("idempotent", True, ["IN_DOUBT CRASHED"]),
        ("reconcilable", False, ["IN_DOUBT CRASHED"]),
        ("irreversible", False, ["IN_DOUBT CRASHED"]),
        ("gone", False, ["IN_DOUBT CRASHED"]),
    ],
)
def test_what_a_former_owner_left(shop: Shop, effect: str, stopped: bool, expected: list[str]) -> None:
    """By effect class; one that nobody wants any more is not run again, whether that was known before or comes now."""
    call = invocation(effect)
    source = InvokeCalls(META, "plan", "ann", (call,))
    for known in {stopped, False}:
        outside = Outside(
            shop.toolset, opening(), shop.workers, SubjectKeys(""), [Left(source, call, 1, 1, -1, b"", known)]
        )
        if stopped and not known:
            outside.stop(StopCalls(META, "plan", (StoppedCall(0, "key-0", 1),), "cancelled"))
        outside.take_up()
        again = ["again" for _ in outside.unwritten]
        outside.begin()
        assert [said(end) for _, end in drain(outside.ended)] + again == expected


@pytest.mark.parametrize(("effect", "expected"), [("pure", "CANCELLED STOPPED"), ("idempotent", "IN_DOUBT CRASHED")])
@pytest.mark.parametrize("when", ["in its hop", "behind others", "too late"])
def test_what_is_taken_over_and_never_begins(shop: Shop, effect: str, expected: str, when: str) -> None:
    """Its former owner may have run it before it died: nobody knows, unless the class leaves nothing behind. The simulator found it."""
    shop.begin(shop.work(index=1))
    assert shop.gate.begun.wait(SECONDS)
    call = invocation(effect)
    row = Left(InvokeCalls(META, "plan", "ann", (call,)), call, 1, 1, -1, b"")
    shop.outside.left = [(0.0, row)]
    shop.outside.write_intents()
    stop = StopCalls(META, "plan", (StoppedCall(0, "key-0", 1),), "cancelled")
    if when == "in its hop":
        shop.outside.stop(stop)
        shop.outside.begin()
    else:
        shop.outside.begin()
        work = shop.outside.open["plan", 0]
        if when == "behind others":
            shop.outside.stop(stop)
        else:
            work.begin_by = 0.0
            shop.outside.watch()
            expected = expected.replace("CANCELLED STOPPED", "FAILED NOT_BEGUN")
    assert shop.ends() == [expected]


def test_stopped_in_the_hop_that_acts_on_it_it_is_in_doubt(shop: Shop) -> None:
    """It may have happened under its former owner: never CANCELLED."""
    call = invocation()
    row = Left(InvokeCalls(META, "plan", "ann", (call,)), call, 1, 1, -1, b"")
    shop.outside = Outside(shop.toolset, opening(), shop.workers, SubjectKeys(""), [row])
    shop.outside.take_up()
    shop.outside.stop(StopCalls(META, "plan", (StoppedCall(0, "key-0", 1),), "cancelled"))
    shop.outside.begin()
    assert shop.ends() == ["IN_DOUBT CRASHED"]


@pytest.mark.parametrize(
    ("effect", "mode", "expected"),
    [
        ("pure", "RUN", ["FAILED STALE_TOKEN"]),
        ("idempotent", "RUN", ["IN_DOUBT CRASHED"]),
        ("reconcilable", "RECONCILE", ["again"]),
    ],
)
def test_what_is_taken_over_is_not_run_again_under_a_lease_that_went_to_another(
    shop: Shop, effect: str, mode: InvocationMode, expected: list[str]
) -> None:
    """It may have happened before, so an idempotent one is in doubt; asking needs no lease."""
    call = replace(invocation(effect, mode=mode), leases=(HeldLease("shared", "printer:hall", 7),))
    row = Left(InvokeCalls(META, "plan", "ann", (call,)), call, 1, 1, -1, b"")
    outside = Outside(shop.toolset, opening(connection=Overtaken()), shop.workers, SubjectKeys(""), [row])
    outside.take_up()
    again = ["again" for _ in outside.unwritten]
    outside.begin()
    assert [said(end) for _, end in drain(outside.ended)] + again == expected


# -- when to act on what another left ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("effect", "mode", "owner", "waits"),
    [
        ("pure", "RUN", 1, False),
        ("idempotent", "RUN", 0, False),
        ("idempotent", "RUN", 1, True),
        ("reconcilable", "RUN", 0, True),
        ("reconcilable", "RUN", 1, True),
        ("reconcilable", "RECONCILE", 1, False),
        ("irreversible", "RUN", 0, False),
        ("irreversible", "RUN", 1, True),
        ("gone", "RUN", 1, False),
    ],
)
def test_whom_a_new_owner_waits_for(shop: Shop, effect: str, mode: InvocationMode, owner: int, waits: bool) -> None:
    """For what another replica may still be doing, and before asking about what its own predecessor may have on the wire."""
    call = invocation(effect, mode=mode)
    source = InvokeCalls(META, "plan", "ann", (call,))
    at = shop.outside.act_at(Left(source, call, owner, 1, 50_000, b""))
    assert (at > time.monotonic() + 49) is waits
    assert shop.outside.act_at(Left(source, call, owner, 1, -1, b"")) <= time.monotonic()


@pytest.mark.parametrize("effect", ["pure", "idempotent", "reconcilable", "irreversible", "gone"])
def test_what_recovery_found_unread_waits_until_it_is_read(shop: Shop, effect: str) -> None:
    """If its end were told before, nothing would say that it may have begun when its invocation comes, and it would run."""
    call = invocation(effect)
    row = Left(InvokeCalls(META, "plan", "ann", (call,)), call, -1, 0, -1, b"", unread=True)
    shop.outside = Outside(shop.toolset, opening(), shop.workers, SubjectKeys(""), [row])
    shop.outside.watched_at = 0.0
    assert not shop.outside.ready()
    shop.outside.take_up()
    assert shop.outside.left == [(math.inf, row)]
    shop.outside.read(invocation(effect, index=1))
    assert shop.outside.left == [(math.inf, row)]
    shop.outside.read(call)
    shop.outside.watched_at = 0.0
    assert shop.outside.ready()
    shop.outside.take_up()
    assert shop.outside.left == []


def test_a_clock_that_jumps_changes_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's clock says: an hour ahead, an hour back."""
    call = invocation("idempotent")
    row = Left(InvokeCalls(META, "plan", "ann", (call,)), call, 1, 1, 50_000, b"")
    for jump in (3_600, -3_600):
        now = time.time_ns() + jump * 1_000_000_000
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        monkeypatch.setattr(time, "time", lambda now=now: now / 1e9)
        assert shop.outside.act_at(row) - time.monotonic() == pytest.approx(50, abs=1)
        waiting = shop.work()
        assert waiting.begin_by - time.monotonic() == pytest.approx(100, abs=1)


# -- another handler of the same process ---------------------------------------------------------------------------------------


def test_another_handler_goes_on_with_what_runs(shop: Shop) -> None:
    """A hop failed, or the shards were dealt anew, and the attempt runs on: it is neither run twice nor in doubt."""
    work = shop.work()
    shop.begin(work)
    assert shop.gate.begun.wait(SECONDS)
    shop.opened_again(left_of(work), epoch=8)
    assert shop.outside.left == []
    shop.gate.free.set()
    assert said(shop.end()) == "SUCCEEDED"
    assert len(shop.gate.contexts) == 1


def test_what_waited_for_a_thread_is_run_by_the_next_handler(shop: Shop, waiting: Work) -> None:
    """Once."""
    first = next(one for one in shop.outside.open.values() if one is not waiting)
    shop.opened_again(left_of(first), left_of(waiting))
    shop.gate.free.set()
    assert [said(shop.end()), said(shop.end())] == ["SUCCEEDED", "SUCCEEDED"]
    assert len(shop.gate.contexts) == 2
    assert shop.ends() == []


def test_what_waited_does_not_begin_without_a_handler(shop: Shop, waiting: Work) -> None:
    """The shard may be another's by now."""
    shop.outside.close()
    shop.gate.free.set()
    assert said(shop.end()) == "SUCCEEDED"
    wait_for(lambda: shop.workers._idle == 1)
    assert (waiting.state, len(shop.gate.contexts)) == ("DROPPED", 1)


def test_an_end_whose_hop_failed_is_told_again(shop: Shop) -> None:
    """It was taken, and its intent is still there."""
    work = shop.work()
    shop.begin(work)
    shop.gate.free.set()
    wait_for(lambda: work.state == "OVER")
    assert len(shop.outside.take_ended()) == 1
    shop.opened_again(left_of(work))
    assert shop.ends() == ["SUCCEEDED"]


def test_an_end_that_is_told_is_not_told_again(shop: Shop) -> None:
    """The hop is durable, or its intent is gone, which says the same."""
    work = shop.work()
    shop.begin(work)
    shop.gate.free.set()
    wait_for(lambda: work.state == "OVER")
    shop.outside.take_ended()
    shop.opened_again()
    assert shop.ends() == []


def test_an_intent_whose_commit_nobody_saw_is_begun(shop: Shop) -> None:
    """The answer to COMMIT was lost, the row is there, and the attempt has not begun: not in doubt."""
    work, unwanted = shop.work(), shop.work(index=1)
    shop.outside.starting += [work, unwanted]
    shop.opened_again(left_of(work), left_of(unwanted, stopped=True))
    assert shop.ends() == ["CANCELLED STOPPED"]
    shop.gate.free.set()
    assert said(shop.end()) == "SUCCEEDED"
    assert len(shop.gate.contexts) == 1


def test_what_another_has_taken_up_is_not_ours(shop: Shop) -> None:
    """The row has another token: this process's end is refused, and the deadline of the other's is waited for."""
    work = shop.work()
    shop.begin(work)
    assert shop.gate.begun.wait(SECONDS)
    theirs = Left(work.source, work.call, 1, token_of(8, 1), 50_000, b"")
    before = shop.outside
    shop.opened_again(theirs, epoch=9)
    shop.gate.free.set()
    wait_for(lambda: not before.ended.empty())
    assert shop.ends() == []
    assert [one.token for _, one in shop.outside.left] == [token_of(8, 1)]


def test_a_late_end_is_told_by_the_next_handler_unless_another_had_the_shard(shop: Shop) -> None:
    """What it gave up may come back after all."""
    work = shop.work()
    shop.begin(work)
    assert shop.gate.begun.wait(SECONDS)
    overdue(work)
    shop.outside.watch()
    shop.outside.take_ended()
    shop.outside.begin()
    shop.opened_again(epoch=8)
    before = shop.outside
    shop.opened_again(epoch=10)
    shop.gate.free.set()
    wait_for(lambda: not before.ended.empty())
    assert shop.ends() == []


def test_what_is_under_way_is_known_by_key(shop: Shop) -> None:
    """What runs, what is about to, and what a former owner left."""
    shop.begin(shop.work())
    shop.outside.starting.append(shop.work(index=1))
    shop.outside.left.append((0.0, left_of(shop.work(index=2))))
    assert sorted(shop.outside.under_way()) == ["key-0", "key-1", "key-2"]
