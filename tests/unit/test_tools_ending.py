"""How attempts end: effect class and what the tool returned or raised, against what is reported. The table is the contract."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from motet.chassis import guard
from motet.records import EffectClass, FinishedCall, Invocation, InvocationMode
from motet.tools import Cancelled, ToolFailed, TryAgain, Unknown
from motet.tools.ending import MESSAGE_LENGTH, end_of, not_run, not_wanted, tells, unknown
from motet.tools.failure import CRASHED, HEARTBEAT_LOST, TIMED_OUT, Unclear

EFFECTS: Final[tuple[EffectClass, ...]] = ("PURE", "TRANSACTIONAL", "IDEMPOTENT", "RECONCILABLE", "IRREVERSIBLE")
AGAIN, FINAL = True, False
# What the tool does, and what is reported for each effect class: outcome, code, and whether another attempt may follow.
FAILED_FINAL: Final = ("FAILED", FINAL)
FAILED_AGAIN: Final = ("FAILED", AGAIN)
DOUBT: Final = ("IN_DOUBT", FINAL)
DOUBT_AGAIN: Final = ("IN_DOUBT", AGAIN)
# pure, transactional, idempotent, reconcilable, irreversible
NO_WORD: Final = (FAILED_FINAL, FAILED_FINAL, DOUBT_AGAIN, DOUBT, DOUBT)
LOST: Final = (FAILED_AGAIN, FAILED_AGAIN, DOUBT_AGAIN, DOUBT, DOUBT)
TABLE: Final[tuple[tuple[BaseException, str, tuple[tuple[str, bool], ...]], ...]] = (
    (ToolFailed("no", "POOR"), "POOR", (FAILED_FINAL,) * 5),
    (TryAgain("busy", "BUSY", 2.5), "BUSY", (FAILED_AGAIN,) * 5),
    (Cancelled("told"), "STOPPED", (("CANCELLED", FINAL),) * 5),
    (Unclear("odd", "INVALID_RESULT"), "INVALID_RESULT", NO_WORD),
    (Unclear("slow", TIMED_OUT), TIMED_OUT, LOST),
    (Unknown("no answer"), "RAISED", NO_WORD),
    (ValueError("odd"), "RAISED", NO_WORD),
    (asyncio.CancelledError(), "RAISED", NO_WORD),
    (KeyboardInterrupt(), "RAISED", NO_WORD),
)


def invocation(mode: InvocationMode = "RUN") -> Invocation:
    """An attempt."""
    return Invocation(3, "c3", "shop.buy", 1, "{}", "k" * 64, 2, mode)


def raised(error: BaseException) -> guard.Raised:
    """What the host's guard makes of an error."""

    def function() -> None:
        raise error

    end = guard.contain(function)
    assert isinstance(end, guard.Raised)
    return end


def said(end: FinishedCall) -> tuple[str, bool, str | None]:
    """What an end says, once it is about the right attempt."""
    assert (end.index, end.key, end.attempt) == (3, "k" * 64, 2)
    return end.outcome, end.retry, end.error.code if end.error else None


CASES = [
    (error, effect, (outcome, again, code))
    for error, code, ends in TABLE
    for effect, (outcome, again) in zip(EFFECTS, ends, strict=True)
]


@pytest.mark.parametrize(("error", "effect", "expected"), CASES, ids=lambda one: str(one)[:40])
def test_what_a_tool_raises_means_what_its_effect_class_says(
    error: BaseException, effect: EffectClass, expected: tuple[str, bool, str]
) -> None:
    """Two words are final for every class; anything else says nothing of the effect."""
    assert said(end_of(invocation(), effect, raised(error))) == expected


@pytest.mark.parametrize("effect", EFFECTS)
def test_a_result_is_a_success(effect: EffectClass) -> None:
    """Running, and asking."""
    for mode in ("RUN", "RECONCILE"):
        end = end_of(invocation(mode), effect, guard.Done('{"a":1}'))
        assert (end.outcome, end.result, end.error, end.retry) == ("SUCCEEDED", '{"a":1}', None, False)


def test_a_delay_is_passed_on() -> None:
    """Running and asking; where the tool names none there is none."""
    for mode in ("RUN", "RECONCILE"):
        delays = [
            end_of(invocation(mode), "RECONCILABLE", raised(TryAgain("busy", delay_seconds=delay))).delay_seconds
            for delay in (2.5, None)
        ]
        assert delays == [2.5, None]


# -- asking whether a former attempt happened ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (guard.Done(None), ("FAILED", AGAIN, "DID_NOT_HAPPEN")),
        (raised(TryAgain("not yet")), ("IN_DOUBT", AGAIN, "CANNOT_TELL")),
        (raised(ToolFailed("no such order")), ("IN_DOUBT", FINAL, "CANNOT_TELL")),
        (raised(Cancelled("told")), ("IN_DOUBT", FINAL, "CANNOT_TELL")),
        (raised(ValueError("odd")), ("IN_DOUBT", FINAL, "CANNOT_TELL")),
        (raised(asyncio.CancelledError()), ("IN_DOUBT", FINAL, "CANNOT_TELL")),
        (raised(Unclear("odd", "INVALID_RESULT")), ("IN_DOUBT", FINAL, "INVALID_RESULT")),
        (raised(Unclear("slow", TIMED_OUT)), ("IN_DOUBT", AGAIN, TIMED_OUT)),
    ],
    ids=str,
)
def test_only_a_plain_no_means_that_it_did_not_happen(end: Any, expected: tuple[str, bool, str]) -> None:
    """Whatever else comes of the question, it is as open as before."""
    assert said(end_of(invocation("RECONCILE"), "RECONCILABLE", end)) == expected


@pytest.mark.parametrize("code", [TIMED_OUT, HEARTBEAT_LOST, CRASHED])
def test_a_question_that_got_lost_is_asked_again(code: str) -> None:
    """The attempt itself is not repeated."""
    assert said(unknown(invocation("RECONCILE"), "RECONCILABLE", code, "x")) == ("IN_DOUBT", AGAIN, code)
    assert said(unknown(invocation(), "RECONCILABLE", code, "x")) == ("IN_DOUBT", FINAL, code)


def test_what_is_not_run_did_not_happen() -> None:
    """Nothing was begun: that is known for every class."""
    assert said(not_run(invocation(), "NOT_BEGUN", "x", retry=True)) == ("FAILED", AGAIN, "NOT_BEGUN")
    assert said(not_run(invocation(), "NOT_SERVED", "x")) == ("FAILED", FINAL, "NOT_SERVED")
    assert said(not_wanted(invocation(), "STOPPED", "x")) == ("CANCELLED", FINAL, "STOPPED")


def test_a_question_that_was_not_asked_is_no_answer() -> None:
    """To say that it did not happen would have the coordinator run it again, or forget it."""
    asking = invocation("RECONCILE")
    assert said(not_run(asking, "NOT_BEGUN", "x", retry=True)) == ("IN_DOUBT", AGAIN, "NOT_BEGUN")
    assert said(not_run(asking, "NOT_SERVED", "x")) == ("IN_DOUBT", FINAL, "NOT_SERVED")
    assert said(not_wanted(asking, "STOPPED", "x")) == ("IN_DOUBT", FINAL, "STOPPED")


# -- what is told --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (end_of(invocation(), "IRREVERSIBLE", guard.Done("1")), True),
        (end_of(invocation(), "IRREVERSIBLE", raised(ToolFailed("no"))), True),
        (end_of(invocation(), "IRREVERSIBLE", raised(Cancelled("told"))), True),
        (end_of(invocation(), "IRREVERSIBLE", raised(ValueError("odd"))), False),
        (end_of(invocation(), "PURE", raised(Unclear("slow", TIMED_OUT))), False),
    ],
    ids=str,
)
def test_a_late_end_is_told_if_it_says_something(end: FinishedCall, expected: bool) -> None:
    """That nobody knows was said when the attempt was given up."""
    assert tells(end) is expected


def test_a_message_is_one_that_a_record_can_carry() -> None:
    """No lone surrogates, and not without end."""
    end = end_of(invocation(), "PURE", raised(ValueError("a\ud800b" + "x" * 9_000)))
    assert end.error is not None
    assert end.error.message.startswith("ValueError: a?bxx")
    assert len(end.error.message) == MESSAGE_LENGTH
