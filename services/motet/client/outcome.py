"""How a plan ended, as its agent reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

from motet.chassis.canonical import canonical_json
from motet.records import CommandRepeated, PlanEnded, PlanRejected, Reason

Status = Literal[
    "SUCCEEDED", "FAILED", "CANCELLED", "IN_DOUBT", "COMPENSATED", "COMPENSATION_FAILED", "REJECTED", "UNKNOWN"
]


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """One call's end. `result` is canonical JSON, None if the call did not succeed or its result is too large to be inline.

    A large result is in the CallsCommitted event `result_event_id`; `result_sha256` is its digest, as of every result.
    """

    call_id: str
    tool: str
    status: str
    result: str | None
    result_event_id: str | None
    error_code: str | None
    error_message: str | None
    result_sha256: str | None = None

    @property
    def value(self) -> Any:
        """The result as a JSON value."""
        return None if self.result is None else json.loads(self.result)

    def as_read(self) -> dict[str, Any]:
        """What a model is told of the call: nothing that differs between two runs with the same inputs."""
        told: dict[str, Any] = {"call": self.call_id, "tool": self.tool, "status": self.status}
        if self.error_code is not None:
            return told | {"error": {"code": self.error_code, "message": self.error_message}}
        if self.status != "SUCCEEDED":
            return told
        return told | ({"result": self.value} if self.result is not None else {"result_sha256": self.result_sha256})


@dataclass(frozen=True, slots=True)
class Outcome:
    """A plan's end. `results` are in call order; `reasons` say why a plan was rejected.

    `remaining` are the calls, by index, that are still in doubt, or that were not undone.
    """

    plan_id: str
    status: Status
    results: tuple[CallOutcome, ...]
    reasons: tuple[Reason, ...]
    history_sha256: str | None
    repeated: bool
    remaining: tuple[int, ...] = ()
    # The terminal event, for `caused_by` of what is asked for next.
    event_id: str = ""

    @property
    def text(self) -> str:
        """The outcome for a model, as canonical JSON: the same bytes whenever the inputs were the same, so that prompt caches hit.

        Ids and times of the run are not in it, and neither is whether it was asked before.
        """
        told: dict[str, Any] = {"status": self.status, "calls": [one.as_read() for one in self.results]}
        if self.reasons:
            told["reasons"] = [one.to_avro() for one in self.reasons]
        return canonical_json(told)

    def as_json(self) -> dict[str, Any]:
        """The outcome as a JSON value, results unpacked."""
        return {
            "plan_id": self.plan_id,
            "status": self.status,
            "repeated": self.repeated,
            "history_sha256": self.history_sha256,
            "remaining": list(self.remaining),
            "event_id": self.event_id,
            "results": [
                {
                    "call_id": one.call_id,
                    "tool": one.tool,
                    "status": one.status,
                    "result": one.value,
                    "result_event_id": one.result_event_id,
                    "error": None if one.error_code is None else {"code": one.error_code, "message": one.error_message},
                }
                for one in self.results
            ],
            "reasons": [one.to_avro() for one in self.reasons],
        }


def outcome_of(event: PlanEnded | PlanRejected | CommandRepeated) -> Outcome | None:
    """The outcome that an event tells; None for the repeat of a plan that is still open."""
    if isinstance(event, PlanRejected):
        return Outcome(event.plan_id, "REJECTED", (), event.reasons, None, repeated=False, event_id=event.meta.event_id)
    if isinstance(event, PlanEnded):
        return replace(of_answer({**event.to_avro(), "meta": None}, repeated=False), event_id=event.meta.event_id)
    if event.answer is None:
        return None
    return replace(of_answer(json.loads(event.answer), repeated=True), event_id=event.terminal_event_id or "")


def of_answer(answer: dict[str, Any], *, repeated: bool) -> Outcome:
    """The outcome in the fields of a terminal event."""
    if "reasons" in answer:
        reasons = tuple(Reason(one["code"], one["message"], one["call_id"]) for one in answer["reasons"])
        return Outcome(answer["plan_id"], "REJECTED", (), reasons, None, repeated)
    results = tuple(
        CallOutcome(
            one["call_id"],
            one["tool"],
            one["outcome"],
            one["result"],
            one["result_event_id"],
            one["error"] and one["error"]["code"],
            one["error"] and one["error"]["message"],
            one["result_sha256"],
        )
        for one in answer["results"]
    )
    # An answer that an earlier version kept has no remaining calls.
    remaining = tuple(answer.get("remaining", ()))
    return Outcome(answer["plan_id"], answer["outcome"], results, (), answer["history_sha256"], repeated, remaining)
