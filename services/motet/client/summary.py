"""What an event says, in a few words."""

from __future__ import annotations

from collections import Counter

from motet.records import CallsCommitted, CallsStarted, CommandRepeated, PlanAdmitted, PlanEnded, PlanRejected, Record

SHOWN_CALLS = 4
SHOWN_CHARACTERS = 120


def summary(record: Record) -> str:  # noqa: PLR0911  one a record type
    """One line."""
    match record:
        case PlanAdmitted():
            tools = Counter(call.tool for call in record.calls)
            return f"{len(record.calls)} calls: " + ", ".join(
                tool if count == 1 else f"{tool} x{count}" for tool, count in tools.items()
            )
        case CallsStarted():
            return f"calls {', '.join(map(str, record.indexes))}"
        case CallsCommitted():
            shown = [
                f"{call.index} {call.outcome.lower()} {call.result if call.error is None else call.error.code}"
                for call in record.calls[:SHOWN_CALLS]
            ]
            more = len(record.calls) - len(shown)
            return shortened("; ".join(shown)) + (f" and {more} more" if more else "")
        case PlanEnded():
            return f"{record.outcome.lower()}, history {record.history_sha256[:12]}…"
        case PlanRejected():
            return shortened("; ".join(f"{reason.code}: {reason.message}" for reason in record.reasons))
        case CommandRepeated():
            return f"the answer to {record.idempotency_key} again: {record.status.lower()}"
        case _:
            return ""


def shortened(text: str) -> str:
    """A text that fits on a line."""
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
