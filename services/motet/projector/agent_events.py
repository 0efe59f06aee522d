"""What agents heard and decided, in the tables. Each row follows from one partition of one topic."""

from __future__ import annotations

from typing import Any

from motet.chassis.text import printable
from motet.projector.agent_tables import CONVERSATION_EVENTS, CONVERSATIONS
from motet.projector.changes import Changes, Row
from motet.records import AgentStepped, MessageRefused, MessageRepeated, MessageTaken


def agent_event(changes: Changes, record: Any, at: str) -> None:
    """An event of an agent."""
    match record:
        case MessageTaken():
            happened(changes, record, at, 0, "HEARD", who=record.sender, content=record.content)
            first = {"asker": printable(record.sender), "started_at": at} if record.begins else {}
            changes.upsert(CONVERSATIONS, owned(record, at) | first)
        case MessageRefused():
            why = "; ".join(f"{one.code}: {one.message}" for one in record.reasons)
            happened(changes, record, at, 0, "REFUSED", who=record.sender, what=why)
        case MessageRepeated():
            happened(changes, record, at, 0, "REPEATED", what=record.event_id)
        case AgentStepped():
            stepped(changes, record, at)
        case _:
            pass


def stepped(changes: Changes, record: AgentStepped, at: str) -> None:
    """A decision."""
    place = 0
    for plan in record.plans:
        happened(changes, record, at, place, "PLAN", what=plan.label, plan_id=plan.plan_id)
        place += 1
    for one in record.sent:
        happened(changes, record, at, place, "SAID", who=one.to, what=one.conversation, content=one.content)
        place += 1
    error = record.error
    if record.outcome != "GOES_ON":
        what = record.outcome if error is None else f"{record.outcome}: {error.code}: {error.message}"
        happened(changes, record, at, place, "ENDED", what=what, content=record.result)
    row = {
        "steps": record.step,
        "outcome": record.outcome,
        "result": record.result,
        "error_code": None if error is None else printable(error.code),
        "error_message": None if error is None else printable(error.message),
        "calls": record.spent.calls,
        "cost_micros": record.spent.cost_micros,
        "tokens": record.spent.tokens,
        "state_sha256": record.state_sha256,
        "code_version": printable(record.code_version),
    }
    changes.upsert(CONVERSATIONS, owned(record, at) | row)


def owned(record: Any, at: str) -> Row:
    """Whose a conversation is, and when it was heard of last."""
    return {
        "tenant": record.meta.tenant,
        "domain": printable(record.meta.domain),
        "agent": record.agent,
        "conversation": printable(record.conversation),
        "last_at": at,
        "event_id": record.meta.event_id,
    }


def happened(
    changes: Changes,
    record: Any,
    at: str,
    place: int,
    kind: str,
    *,
    who: str | None = None,
    what: str | None = None,
    plan_id: str | None = None,
    content: str | None = None,
) -> None:
    """A row of what happened."""
    row = {name: value for name, value in owned(record, at).items() if name != "last_at"}
    told = {"who": who, "what": what, "plan_id": plan_id}
    changes.upsert(
        CONVERSATION_EVENTS,
        row
        | {name: None if value is None else printable(value) for name, value in told.items()}
        | {"place": place, "kind": kind, "step": getattr(record, "step", None), "content": content}
        | {"cause": record.meta.causation_id, "hlc": record.meta.hlc, "at": at},
    )
