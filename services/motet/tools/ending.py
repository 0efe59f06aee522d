"""How an attempt ended, by what the tool returned or raised and by its effect class: what is known of its effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from motet.chassis import guard
from motet.personal.sealing import Sealer
from motet.records import EffectClass, Failure, FinishedCall, Invocation
from motet.tools.failure import CRASHED, HEARTBEAT_LOST, STOPPED, TIMED_OUT, Cancelled, ToolFailed, TryAgain, Unclear

MESSAGE_LENGTH: Final = 2_000
# Whatever they were doing when they ended without a word, they left nothing behind.
HARMLESS: Final[tuple[EffectClass, ...]] = ("PURE", "TRANSACTIONAL")

# Nothing was heard of the attempt; what else ends without a word would end so again.
LOST: Final = (TIMED_OUT, HEARTBEAT_LOST, CRASHED)


def failed(
    call: Invocation, code: str, message: str, *, retry: bool = False, delay: float | None = None
) -> FinishedCall:
    """It did not happen."""
    return FinishedCall(call.index, call.key, call.attempt, "FAILED", None, failure(code, message), retry, delay)


def not_run(call: Invocation, code: str, message: str, *, retry: bool = False) -> FinishedCall:
    """The attempt never began and will not: nothing happened. Where it was to ask about a former one, nothing was asked."""
    if call.mode == "RECONCILE":
        return FinishedCall(call.index, call.key, call.attempt, "IN_DOUBT", None, failure(code, message), retry)
    return failed(call, code, message, retry=retry)


def not_wanted(call: Invocation, code: str, message: str) -> FinishedCall:
    """As `not_run`, because nobody wants it any more."""
    return not_run(call, code, message) if call.mode == "RECONCILE" else cancelled(call, code, message)


def cancelled(call: Invocation, code: str, message: str) -> FinishedCall:
    """It stopped before anything happened."""
    return FinishedCall(call.index, call.key, call.attempt, "CANCELLED", None, failure(code, message))


def unknown(call: Invocation, effect: EffectClass, code: str, message: str) -> FinishedCall:
    """It began, and ended without a word about its effect."""
    if effect in HARMLESS:
        return failed(call, code, message, retry=code in LOST)
    error = failure(code, message)
    # With its key an idempotent call may be tried again; any other is nobody's to repeat.
    again = effect == "IDEMPOTENT" or (call.mode == "RECONCILE" and code in LOST)
    return FinishedCall(call.index, call.key, call.attempt, "IN_DOUBT", None, error, again)


def succeeded(call: Invocation, result: str) -> FinishedCall:
    """It happened, and this is its result."""
    return FinishedCall(call.index, call.key, call.attempt, "SUCCEEDED", result, None)


def tells(end: FinishedCall) -> bool:
    """Whether an end says something of an attempt that was given up: anything but that nobody knows."""
    return end.outcome != "IN_DOUBT" and (end.error is None or end.error.code not in LOST)


def end_of(call: Invocation, effect: EffectClass, end: guard.Done[str | None] | guard.Raised) -> FinishedCall:
    """The end of an attempt. A reconciling one that returned None found that it did not happen."""
    if isinstance(end, guard.Raised):
        return end_of_raised(call, effect, end)
    if end.value is not None:
        return succeeded(call, end.value)
    return failed(call, "DID_NOT_HAPPEN", "asked, the tool says that it did not happen", retry=True)


def end_of_raised(call: Invocation, effect: EffectClass, end: guard.Raised) -> FinishedCall:
    """The end of an attempt that raised."""
    match end.error:
        case Unclear() as error:
            return unknown(call, effect, error.code, error.message)
        case _ if call.mode == "RECONCILE":
            return cannot_tell(call, end)
        case TryAgain() as error:
            return failed(call, error.code, error.message, retry=True, delay=error.delay_seconds)
        case Cancelled() as error:
            return cancelled(call, STOPPED, str(error))
        case ToolFailed() as error:
            return failed(call, error.code, error.message)
        case _:
            return unknown(call, effect, "RAISED", end.text)


def cannot_tell(call: Invocation, end: guard.Raised) -> FinishedCall:
    """Asked whether a call happened, the tool raised."""
    error = end.error
    why = failure("CANNOT_TELL", f"asked whether it happened, the tool cannot tell: {end.text}")
    delay = error.delay_seconds if isinstance(error, TryAgain) else None
    return FinishedCall(call.index, call.key, call.attempt, "IN_DOUBT", None, why, isinstance(error, TryAgain), delay)


def hidden(end: FinishedCall, sealer: Sealer) -> FinishedCall:
    """An end whose error says nothing of what was opened for the call."""
    if end.error is None:
        return end
    return replace(end, error=replace(end.error, message=sealer.hidden(end.error.message)))


def failure(code: str, message: str) -> Failure:
    """An error that a record can carry."""
    return Failure(code, message.encode("utf-8", "replace").decode()[:MESSAGE_LENGTH])
