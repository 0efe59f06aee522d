"""One attempt outside the transaction, between the loop's thread and the pool's: it has one end, whoever comes first."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from motet.records import FinishedCall, StopCalls, StoppedCall
from motet.tools import Running
from motet.tools.intents import token_of
from motet.tools.outside import never_begun
from motet.tools.work import Work
from shop import META, SECONDS, Shop, drain, invocation, overdue, said, wait_for


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop, whose threads end with the test."""
    made = Shop()
    yield made
    made.gate.free.set()
    made.workers.loop.close()


# -- one end -------------------------------------------------------------------------------------------------------------------


def test_an_attempt_runs_and_is_told_once(shop: Shop) -> None:
    """With what it learns of itself, and what it took."""
    work = shop.work(attempt=2)
    shop.begin(work)
    assert shop.gate.begun.wait(SECONDS)
    shop.gate.free.set()
    end = shop.end()
    assert (said(end), end.result, end.attempt) == ("SUCCEEDED", '"done"', 2)
    (context,) = shop.gate.contexts
    assert (context.key, context.attempt, context.fencing_token) == ("key-0", 2, token_of(7, 2))
    assert shop.ends() == []


def test_one_that_came_back_is_not_given_up(shop: Shop) -> None:
    """Its end waits to be taken, however long the loop is busy: no second end, and no thread counts as hanging."""
    work = shop.work()
    shop.begin(work)
    shop.gate.free.set()
    wait_for(lambda: work.state == "OVER")
    overdue(work)
    for _ in range(100):
        shop.outside.watch()
    assert shop.ends() == ["SUCCEEDED"]
    assert not shop.workers.exhausted


def test_one_that_comes_back_while_it_is_given_up_is_no_hanging_thread(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop looked at its time, and its thread was quicker: the pool would be exhausted by threads that do not hang."""
    work = shop.work()
    shop.begin(work)
    assert shop.gate.begun.wait(SECONDS)
    assert work.running is not None

    def overdue_meanwhile(_: Running) -> str:
        shop.gate.free.set()
        wait_for(lambda: work.state == "OVER")
        return "TIMED_OUT"

    monkeypatch.setattr(Running, "overdue", overdue_meanwhile)
    shop.outside.watch()
    assert shop.ends() == ["SUCCEEDED"]
    assert shop.workers._abandoned == 0


def test_one_that_was_given_up_has_that_end_and_its_late_one(shop: Shop) -> None:
    """The thread that hung is counted as long as it hangs."""
    work = shop.work()
    shop.begin(work)
    assert shop.gate.begun.wait(SECONDS)
    overdue(work)
    for _ in range(3):
        shop.outside.watch()
    assert shop.ends() == ["IN_DOUBT TIMED_OUT"]
    assert shop.gate.contexts[0].cancelled
    shop.gate.free.set()
    end = shop.end()
    assert (said(end), end is work.end) == ("SUCCEEDED", False)
    wait_for(lambda: shop.workers._abandoned == 0)


def test_a_late_end_that_says_nothing_more_is_not_told(shop: Shop) -> None:
    """That nobody knows was said before."""
    work = shop.work()
    assert work.begin(Running(1))
    overdue(work)
    shop.outside.open[work.place] = work
    shop.outside.watch()
    assert shop.ends() == ["IN_DOUBT TIMED_OUT"]
    assert not work.finish(FinishedCall(0, "key-0", 1, "IN_DOUBT"))
    assert shop.ends() == []


@pytest.mark.parametrize("first", ["thread", "loop"])
def test_whoever_comes_first_decides(shop: Shop, first: str) -> None:
    """Coming back and being given up at one moment are one end."""
    work = shop.work()
    assert work.begin(Running(1))
    done, lost = FinishedCall(0, "key-0", 1, "SUCCEEDED", "1"), FinishedCall(0, "key-0", 1, "IN_DOUBT")
    if first == "thread":
        assert (work.finish(done), work.give_up(lost)) == (True, False)
    else:
        assert (work.give_up(lost), work.finish(done)) == (True, False)
    assert work.end is (done if first == "thread" else lost)


def test_silence_is_given_up(shop: Shop) -> None:
    """A tool with a heartbeat that says nothing for too long; one that says something is left alone."""
    work = shop.work("beating")
    shop.begin(work)
    assert shop.gate.begun.wait(SECONDS)
    shop.outside.watch()
    assert work.running is not None
    work.running.beaten -= 11
    shop.gate.contexts[0].heartbeat({"step": 1})
    shop.outside.watch()
    assert shop.ends() == []
    assert shop.outside.has_news(work, time.monotonic() + 1)
    work.running.beaten -= 11
    shop.outside.watch()
    assert shop.ends() == ["IN_DOUBT HEARTBEAT_LOST"]
    assert not shop.outside.has_news(work, time.monotonic() + 1)


# -- waiting for a thread ------------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(shop: Shop) -> Work:
    """An attempt that waits, behind one that has the only thread."""
    shop.begin(shop.work(index=1))
    assert shop.gate.begun.wait(SECONDS)
    work = shop.work()
    shop.begin(work)
    return work


def test_one_that_waits_too_long_never_begins(shop: Shop, waiting: Work) -> None:
    """It is told at once, not when a thread is free, and the tool has not run."""
    shop.outside.watch()
    assert shop.ends() == []
    waiting.begin_by -= 101
    shop.outside.watch()
    (end,) = [end for _, end in drain(shop.outside.ended)]
    assert (said(end), end.retry) == ("FAILED NOT_BEGUN", True)
    shop.gate.free.set()
    assert said(shop.end()) == "SUCCEEDED"
    assert len(shop.gate.contexts) == 1


def test_one_that_begins_has_its_whole_time(shop: Shop) -> None:
    """Its waiting is not taken off: an irreversible one would be in doubt for want of a thread."""
    work = shop.work()
    work.begin_by = time.monotonic() + 0.5
    shop.begin(work)
    assert shop.gate.begun.wait(SECONDS)
    left = shop.gate.contexts[0].seconds_left
    assert left is not None
    assert left > 90
    assert work.lease_milliseconds == 200_000


def test_one_with_a_heartbeat_begins_while_its_intent_is_its_own(shop: Shop) -> None:
    """Silent from the start it is given up before anybody else may act."""
    work = shop.work("beating")
    assert work.lease_milliseconds == 20_000
    assert work.begin_by - time.monotonic() == pytest.approx(10, abs=1)


# -- told to stop --------------------------------------------------------------------------------------------------------------


def stop(shop: Shop, work: Work, *, attempt: int | None = None) -> None:
    """Nobody wants an attempt any more."""
    call = StoppedCall(work.call.index, work.call.key, work.call.attempt if attempt is None else attempt)
    shop.outside.stop(StopCalls(META, work.source.plan_id, (call,), "cancelled"))


def test_one_that_runs_is_told(shop: Shop) -> None:
    """And ends as the tool says."""
    work = shop.work()
    shop.begin(work)
    assert shop.gate.begun.wait(SECONDS)
    stop(shop, work, attempt=2)
    assert not shop.gate.contexts[0].cancelled
    stop(shop, work)
    assert shop.gate.contexts[0].cancelled
    assert shop.ends() == []
    shop.gate.free.set()
    assert said(shop.end()) == "SUCCEEDED"


def test_one_that_waits_for_a_thread_ends_at_once(shop: Shop, waiting: Work) -> None:
    """It never begins."""
    stop(shop, waiting)
    assert shop.ends() == ["CANCELLED STOPPED"]
    shop.gate.free.set()
    assert said(shop.end()) == "SUCCEEDED"
    assert len(shop.gate.contexts) == 1


def test_one_whose_intent_is_not_durable_yet_never_begins(shop: Shop) -> None:
    """Both came in one hop, as from behind a dead letter. What is told of it waits for the commit."""
    work = shop.work()
    shop.outside.starting.append(work)
    stop(shop, work)
    assert shop.ends() == []
    shop.outside.begin()
    assert shop.ends() == ["CANCELLED STOPPED"]
    assert not shop.gate.begun.is_set()


def test_a_question_that_was_not_asked_stays_open() -> None:
    """Stopped before it began, it says nothing of the attempt that it was to ask about."""
    assert said(never_begun(invocation("reconcilable", mode="RECONCILE"))) == "IN_DOUBT STOPPED"
    assert said(never_begun(invocation("reconcilable"))) == "CANCELLED STOPPED"
