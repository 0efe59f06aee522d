"""The author's words, and what host and tool tell each other while an attempt runs."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

import motet
from motet.chassis.errors import MotetError
from motet.records import Amounts
from motet.tools import Cancelled, Context, EventLoopThread, Running, Tool, ToolFailed, Toolset, TryAgain, Unknown
from motet.tools.failure import Unclear

LONG_AGO = 1_000.0


# -- words ---------------------------------------------------------------------------------------------------------------------


def test_the_words_are_exported() -> None:
    """Both packages have the same ones, and none is a kind of another."""
    assert (motet.TryAgain, motet.ToolFailed) == (TryAgain, ToolFailed)
    words = (ToolFailed, TryAgain, Cancelled, Unknown)
    assert [issubclass(one, MotetError) for one in words] == [True] * 4
    assert [issubclass(one, other) for one in words for other in words if one is not other] == [False] * 12


def test_try_again_says_what_and_when() -> None:
    """Code and delay have defaults; the message is one that a record can carry."""
    plain, full = TryAgain("busy"), TryAgain("a\0b\ud800c", "BUSY", 1.5)
    assert (plain.message, plain.code, plain.delay_seconds, str(plain)) == ("busy", "TRY_AGAIN", None, "busy")
    assert (full.message, full.code, full.delay_seconds) == ("a\ufffdb?c", "BUSY", 1.5)
    assert len(TryAgain("x" * 5_000).message) == 4_000
    assert [TryAgain("", delay_seconds=one).delay_seconds for one in (0, 86_400)] == [0, 86_400]


@pytest.mark.parametrize("code", ["", "lower", "A" * 65, "A-B", 7])
def test_a_code_is_a_word_in_capitals(code: Any) -> None:
    """As ToolFailed's."""
    with pytest.raises(ValueError, match=r"is not a word in capitals .* \(its message: why\)"):
        TryAgain("why", code)


@pytest.mark.parametrize("delay", [-1, 86_401, math.nan, math.inf, "3", True, Decimal(3)])
def test_a_delay_is_within_a_day(delay: Any) -> None:
    """The message shows the value, the limits, and what the tool wanted to say."""
    with pytest.raises(ValueError, match=r"is not a number from 0 to 86400 \(its message: why\)") as caught:
        TryAgain("why", delay_seconds=delay)
    assert repr(delay) in str(caught.value)


# -- retry_on ------------------------------------------------------------------------------------------------------------------


def tool(function: Callable[..., Any], **options: Any) -> Tool:
    """A function as a tool."""
    toolset = Toolset("shop")
    toolset.add(function, "idempotent", **options)
    return toolset.tools[0]


def raising(error: Exception, *, later: bool = False) -> Callable[..., Any]:
    """A function that raises, if it may."""

    def now(times: int = 1) -> None:
        if times:
            raise error

    async def soon(times: int = 1) -> None:
        await asyncio.sleep(0)
        now(times)

    return soon if later else now


@pytest.mark.parametrize("later", [False, True])
def test_errors_of_retry_on_are_tried_again(later: bool) -> None:
    """Sync and async, with and without a loop; the original is the cause. Other errors, and the arguments' faults, pass."""
    given = ConnectionRefusedError("port 9")
    careful = tool(raising(given, later=later), name="x", retry_on=(LookupError, ConnectionError))
    with EventLoopThread() as running:
        for loop in (None, running):
            with pytest.raises(TryAgain) as caught:
                careful.run("{}", Context.for_testing(), loop)
            assert (caught.value.code, caught.value.message) == ("TRY_AGAIN", "ConnectionRefusedError: port 9")
            assert caught.value.__cause__ is given
    with pytest.raises(OSError, match="no disk"):
        tool(raising(OSError("no disk"), later=later), name="x", retry_on=(ConnectionError,)).run(
            "{}", Context.for_testing()
        )
    with pytest.raises(ToolFailed) as refused:
        careful.run('{"times":"x"}', Context.for_testing())
    assert refused.value.code == "INVALID_ARGUMENTS"


@pytest.mark.parametrize("word", [ToolFailed("no"), Unclear("late"), TryAgain("busy", "BUSY", 5), Cancelled("told")])
def test_words_stay_what_they_are(word: Exception) -> None:
    """Also where `retry_on` names everything: a final failure is final, a delay is kept."""
    with pytest.raises(type(word)) as caught:
        tool(raising(word), name="x", retry_on=(Exception,)).run("{}", Context.for_testing())
    assert caught.value is word


def test_what_is_unknown_may_be_tried_again() -> None:
    """By a tool of which nobody minds how often it runs."""
    with pytest.raises(TryAgain, match="Unknown: no answer"):
        tool(raising(Unknown("no answer")), name="x", retry_on=(Unknown,)).run("{}", Context.for_testing())


# -- Running -------------------------------------------------------------------------------------------------------------------


def test_an_attempt_without_limits_is_never_overdue() -> None:
    """As a test has one."""
    running = Running()
    running.began -= LONG_AGO
    running.beaten -= LONG_AGO
    assert (running.overdue(), running.seconds_left(), running.stopped, running.spent) == (None, None, None, None)
    assert running.milliseconds >= LONG_AGO * 1_000


def test_an_attempt_has_a_limit() -> None:
    """What is left of it shrinks to 0; beyond it the attempt has timed out, also if it says something."""
    running = Running(60.0, 30.0)
    left = running.seconds_left()
    assert left is not None
    assert 50 < left <= 60
    assert running.overdue() is None
    running.began -= LONG_AGO
    running.beat()
    assert (running.seconds_left(), running.overdue()) == (0.0, "TIMED_OUT")


def test_an_attempt_that_says_nothing_is_given_up() -> None:
    """The next word counts from then on; progress that cannot be carried is no word."""
    running = Running(None, 30.0)
    running.beaten -= LONG_AGO
    with pytest.raises(ValueError, match="no canonical JSON"):
        running.beat(math.nan)
    assert running.overdue() == "HEARTBEAT_LOST"
    running.beat({"rows": 5})
    assert running.overdue() is None


def test_progress_is_heard_as_canonical_json() -> None:
    """A beat without progress says again how far it is; 4 KiB are the limit, in bytes. It is heard before the beat counts."""
    said: list[str] = []
    running = Running(heard=said.append)
    running.beat()
    running.beat({"b": 1.0, "a": "ü"})
    running.beat()
    running.beat(0)
    running.beat("x" * 4_094)
    assert said == ["null", '{"a":"ü","b":1}', '{"a":"ü","b":1}', "0", '"' + "x" * 4_094 + '"']
    for progress in ("x" * 4_095, "ü" * 2_048):
        with pytest.raises(ValueError, match=r"progress of 409[78] bytes; the limit is 4096"):
            running.beat(progress)
    assert len(said) == 5
    order: list[bool] = []
    ordered = Running(heard=lambda _: order.append(ordered.beaten == ordered.began))
    ordered.beat()
    assert (order, ordered.beaten > ordered.began) == ([True], True)


def test_the_first_reason_to_stop_stays() -> None:
    """Whoever comes first is told; without a reason there is a general one."""
    running, other = Running(), Running()
    running.stop("the plan was cancelled")
    running.stop("the time is over")
    other.stop()
    assert (running.stopped, other.stopped) == ("the plan was cancelled", "nobody wants the call any more")


def test_what_is_spent_adds_up_exactly() -> None:
    """In decimal: ten tenths are one, and parts of a millionth are not lost. What was not said is not counted."""
    running = Running()
    for _ in range(10):
        running.spend(cost=0.1)
    assert running.spent == Amounts(None, 1_000_000, None, None)
    for _ in range(1_000):
        running.spend(cost="0.0000004")
    running.spend(tokens=7)
    running.spend(cost=Decimal("0.5"), tokens=5)
    assert running.spent == Amounts(None, 1_500_400, 12, None)
    silent = Running()
    silent.spend(tokens=0)
    assert silent.spent == Amounts(None, None, 0, None)


@pytest.mark.parametrize("cost", [-0.1, math.nan, math.inf, "much", True, 10**10])
def test_a_cost_is_a_number(cost: Any) -> None:
    """Of 0 or more, up to what JSON carries exactly; what is refused does not count."""
    running = Running()
    with pytest.raises(ValueError, match="is not a number from 0 to 9007199255"):
        running.spend(cost=cost, tokens=5)
    assert running.spent is None


@pytest.mark.parametrize("tokens", [-1, 1.5, "7", True])
def test_tokens_are_counted(tokens: Any) -> None:
    """And what is refused does not count."""
    running = Running()
    with pytest.raises(ValueError, match=r"tokens .* is not an integer of 0 or more"):
        running.spend(cost=1, tokens=tokens)
    assert running.spent is None


def test_threads_of_a_tool_share_its_attempt() -> None:
    """Nothing is lost between them, and each progress is heard."""
    said: list[str] = []
    running = Running(heard=said.append)
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for _ in range(500):
            running.spend(cost="0.000001", tokens=1)
            running.beat(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert running.spent == Amounts(None, 4_000, 4_000, None)
    assert len(said) == 4_000


@pytest.mark.parametrize("say", [lambda one: one.spend(tokens=1), lambda one: one.beat(), lambda one: one.stop()])
def test_one_thread_speaks_after_the_other(say: Callable[[Running], None]) -> None:
    """A sum, a beat and a reason are each one step: who comes second waits."""
    running = Running()
    second = threading.Thread(target=say, args=[running])
    with running._lock:
        second.start()
        second.join(0.05)
        assert second.is_alive()
    second.join()
    assert running.spent is not None or running.beaten > running.began or running.stopped is not None


# -- Context -------------------------------------------------------------------------------------------------------------------


def test_a_context_speaks_of_its_attempt() -> None:
    """Heartbeats, time and costs go to the host by way of Running."""
    said: list[str] = []
    running = Running(60.0, heard=said.append)
    context = Context.for_testing(running=running)
    context.heartbeat({"rows": 5})
    context.spend(0.25)
    context.spend(tokens=3)
    assert (said, running.spent) == (['{"rows":5}'], Amounts(None, 250_000, 3, None))
    assert context.seconds_left is not None
    assert 50 < context.seconds_left <= 60
    assert Context.for_testing().seconds_left is None


def test_a_call_that_is_told_to_stop_can_ask() -> None:
    """`cancelled` says so, `check` raises, with the reason; before that both let it go on."""
    context = Context.for_testing()
    context.check()
    assert not context.cancelled
    context.running.stop("the plan was cancelled")
    assert context.cancelled
    with pytest.raises(Cancelled, match="told to stop before it did anything: the plan was cancelled"):
        context.check()


def test_a_context_is_what_it_says_of_the_call() -> None:
    """Two of the same attempt are equal, each has a Running of its own, and the fencing token counts."""
    one, other = Context.for_testing(fencing_token=65_537), Context.for_testing(fencing_token=65_537)
    assert one == other
    assert one.running is not other.running
    assert replace(one, fencing_token=65_538) != other
    assert Context.for_testing().fencing_token == 1
