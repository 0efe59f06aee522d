"""What an event says, in a few words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from motet.records import (
    Amounts,
    ApprovalDecided,
    ApprovalRequested,
    AttemptsEnded,
    BarrierRaised,
    BreakerChanged,
    BudgetChanged,
    CallsCommitted,
    CallsEnded,
    CallSettled,
    CallsFinished,
    CallsLinedUp,
    CallsProgressed,
    CallsReported,
    CallsStarted,
    CallsWaiting,
    CommandRefused,
    CommandRepeated,
    CompensationEnded,
    CompensationResumed,
    CompensationStarted,
    LeasesExpired,
    LeasesGranted,
    LeasesQueued,
    LeasesReleased,
    LeasesRenewed,
    PlanAdmitted,
    PlanEnded,
    PlanRejected,
    Reason,
    Record,
    RepairOrdered,
    ReserveResources,
    SubmitPlan,
    VersionConflict,
)

SHOWN_CALLS = 4
SHOWN_CHARACTERS = 120


def summary(record: Record) -> str:
    """One line."""
    say = SUMMARIES.get(type(record))
    return "" if say is None else shortened(say(record))


def admitted(record: PlanAdmitted) -> str:
    """How many calls of which tools."""
    tools = Counter(call.tool for call in record.calls)
    named = (tool if count == 1 else f"{tool} x{count}" for tool, count in tools.items())
    return f"{len(record.calls)} calls: {', '.join(named)}"


def committed(record: CallsCommitted) -> str:
    """The first few ends."""
    shown = [
        f"{call.index} {call.outcome.lower()} {call.result if call.error is None else call.error.code}"
        for call in record.calls[:SHOWN_CALLS]
    ]
    more = len(record.calls) - len(shown)
    return shortened("; ".join(shown)) + (f" and {more} more" if more else "")


def finished(record: CallsFinished) -> str:
    """How attempts ended, as the tool service says."""
    return "; ".join(f"call {call.index}, attempt {call.attempt}: {call.outcome.lower()}" for call in record.calls)


def attempts(record: AttemptsEnded) -> str:
    """How attempts ended, and what follows."""
    return "; ".join(
        f"{'compensation of ' if one.compensation else ''}call {one.index}, attempt {one.attempt}: {one.outcome.lower()} "
        f"{'' if one.error is None else one.error.code}{', too late' if one.late else ''}, then {one.next.lower()}"
        for one in record.attempts
    )


def leased(record: LeasesQueued | LeasesGranted | LeasesRenewed | LeasesReleased | LeasesExpired) -> str:
    """Who, and for what."""
    return f"{record.holder} for {', '.join(record.resources)}"


def reasons(all_of_them: tuple[Reason, ...]) -> str:
    """Why something was refused."""
    return "; ".join(f"{reason.code}: {reason.message}" for reason in all_of_them)


def amounts(what: Amounts) -> str:
    """What counts of amounts."""
    named = {
        "calls": what.calls,
        "cost": None if what.cost_micros is None else what.cost_micros / 1_000_000,
        "tokens": what.tokens,
        "ms": what.milliseconds,
    }
    return ", ".join(f"{value:g} {name}" for name, value in named.items() if value is not None) or "nothing"


SUMMARIES: Final[dict[type, Callable[[Any], str]]] = {
    PlanAdmitted: admitted,
    CallsStarted: lambda one: f"calls {', '.join(map(str, one.indexes))}",
    CallsCommitted: committed,
    PlanEnded: lambda one: f"{one.outcome.lower()}, history {one.history_sha256[:12]}…",
    PlanRejected: lambda one: reasons(one.reasons),
    CommandRepeated: lambda one: f"the answer to {one.idempotency_key} again: {one.status.lower()}",
    CommandRefused: lambda one: f"{one.command}: {reasons(one.reasons)}",
    BarrierRaised: lambda one: f"{one.cause.lower()}: {one.reason}",
    ApprovalRequested: lambda one: f"call {one.call_id} of {one.tool} waits for a person",
    ApprovalDecided: lambda one: f"call {one.index} {one.decision.lower()} by {one.agent or 'nobody'}",
    AttemptsEnded: attempts,
    VersionConflict: lambda one: (
        "; ".join(f"call {one.index} expects {at.resource} {at.expected}, found {at.found}" for at in one.conflicts)
        + f", then {one.next.lower()}"
    ),
    CallSettled: lambda one: f"call {one.index}: {one.finding.lower()}, says {one.agent}",
    CallsProgressed: lambda one: "; ".join(f"call {call.index}: {call.progress}" for call in one.calls),
    CallsLinedUp: lambda one: "; ".join(
        f"call {call.index} for {', '.join(claim.resource for claim in call.claims) or 'nothing'}" for call in one.calls
    ),
    CallsWaiting: lambda one: "; ".join(
        f"call {call.index} for {call.reason.lower()}: {call.what}" for call in one.calls
    ),
    CallsEnded: lambda one: f"calls {', '.join(str(call.index) for call in one.calls)}",
    CompensationStarted: lambda one: f"call {one.index} by {one.tool}, attempt {one.attempt}",
    CompensationEnded: lambda one: f"call {one.index} {one.outcome.lower()}, {len(one.remaining)} remain",
    CompensationResumed: lambda one: f"by {one.agent}, {len(one.remaining)} remain",
    CallsFinished: finished,
    CallsReported: lambda one: "; ".join(f"call {call.index}: {call.progress}" for call in one.calls),
    SubmitPlan: lambda one: f"{len(one.calls)} calls, asked for by {one.agent}",
    ReserveResources: lambda one: ", ".join(claim.resource for claim in one.claims),
    **dict.fromkeys((LeasesQueued, LeasesGranted, LeasesRenewed, LeasesReleased, LeasesExpired), leased),
    BudgetChanged: lambda one: f"{one.agent}: spent {amounts(one.spent)}; reserved {amounts(one.reserved)}",
    BreakerChanged: lambda one: f"{one.tool} {one.state.lower()} after {one.failures} failures",
    RepairOrdered: lambda one: f"{one.action.lower()} {one.dead_letter_id[:8]}… of {one.service}",
}


def shortened(text: str) -> str:
    """A text that fits on a line."""
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
