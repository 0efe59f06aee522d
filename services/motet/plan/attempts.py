"""What follows the end of an attempt, pure: the call's end, another attempt, asking whether it happened, or doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from motet.plan.contracts import Contract
from motet.plan.model import Call, Plan
from motet.plan.tokens import tokens
from motet.plan.waits import DAY_SECONDS, MILLISECONDS, wait_ms
from motet.records import CallOutcome, ExpectedVersion, Failure, FinishedCall, Invocation

Follows = Literal["END", "RETRY", "RECONCILE", "IN_DOUBT"]
# Effect classes of which an unknown attempt left nothing behind; those that may run again after one.
HARMLESS: Final = ("PURE", "TRANSACTIONAL")
REPEATABLE: Final = (*HARMLESS, "IDEMPOTENT")
# What a tool service says that was asked, and found that the call did not happen. Any other failure to ask is no answer.
DID_NOT_HAPPEN: Final = "DID_NOT_HAPPEN"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows. `outcome` and `error` are the call's if it ends; `at` is when the next attempt is due, in milliseconds."""

    follows: Follows
    outcome: CallOutcome
    error: Failure | None
    at: int = 0


SUCCEEDED: Final = Verdict("END", "SUCCEEDED", None)


def unknown(call: Call, end: FinishedCall) -> bool:
    """Whether an attempt's end leaves open if the call happened in it; of one that only asks: if it happened at all."""
    if call.asks and end.outcome != "SUCCEEDED":
        return end.error is None or end.error.code != DID_NOT_HAPPEN
    return end.outcome not in ("SUCCEEDED", "FAILED", "CANCELLED")


def doubtful(call: Call, end: FinishedCall) -> bool:
    """Whether a call may have happened though the end of its last attempt does not say so. What asking found out is about all attempts."""
    if end.outcome == "SUCCEEDED" or call.effect in HARMLESS:
        return False
    return unknown(call, end) or (call.uncertain and not call.asks)


def verdict(call: Call, contract: Contract, end: FinishedCall, now: int) -> Verdict:
    """What follows an attempt's end. Changes nothing."""
    if end.outcome == "SUCCEEDED":
        return SUCCEEDED
    error = end.error or Failure("FAILED", "the tool gave no reason")
    open_end = unknown(call, end)
    if open_end and call.effect == "RECONCILABLE" and not call.asks:
        return Verdict("RECONCILE", "IN_DOUBT", error, now)
    may_repeat = call.asks or not open_end or call.effect in REPEATABLE
    if (end.retry or (call.asks and not open_end)) and may_repeat:
        tried = call.asked if call.asks and open_end else call.runs
        at = now + max(
            wait_ms(contract.record, call.key, max(1, tried)),
            int(min(end.delay_seconds or 0.0, DAY_SECONDS) * MILLISECONDS),
        )
        if tried < contract.record.attempts and at < call.began + contract.deadline_ms:
            # Asked and still not known: asked again. Otherwise the tool runs again.
            return Verdict(
                "RECONCILE" if call.asks and open_end else "RETRY", "IN_DOUBT" if open_end else "FAILED", error, at
            )
    if doubtful(call, end):
        return Verdict("IN_DOUBT", "IN_DOUBT", error)
    return Verdict("END", "FAILED", error)


def begin(plan: Plan, index: int, call: Call, contract: Contract, now: int) -> Invocation:
    """The next attempt of a call."""
    call.status, call.attempt, call.due = "STARTED", call.attempt + 1, 0
    call.began = call.began or now
    call.key = call.key or plan.key_of(index, call)
    if call.asks:
        call.asked, call.uncounted = call.asked + 1, call.uncounted + 1
    expected = tuple(ExpectedVersion(*one) for one in call.expected.items()) if call.expected else ()
    return Invocation(
        index,
        call.call_id,
        call.tool,
        call.contract_version,
        call.arguments,
        call.key,
        call.attempt,
        "RECONCILE" if call.asks else "RUN",
        call.began + contract.deadline_ms,
        expected,
        tokens(plan, call) if call.leases else (),
    )
