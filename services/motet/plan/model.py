"""A plan that was admitted, and its calls: what is known, what ended, what took its place in the history."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from motet.chassis.canonical import compact, digest, sha256_text
from motet.plan.graph import topological_order
from motet.plan.limits import Limits
from motet.records import CallOutcome, CallResult, Claim, CommittedCall, Failure, Isolation, PlanOutcome

Status = Literal["WAITING", "STARTED", "DONE"]


@dataclass(slots=True)
class Call:
    """One call of a plan. `arguments` is canonical JSON; with references in it, it is replaced when the call starts."""

    call_id: str
    tool: str
    contract_version: int
    arguments: str
    arguments_sha256: str
    after: tuple[int, ...]
    claims: tuple[Claim, ...]
    effect: str
    refers: bool = False
    key: str = ""
    status: Status = "WAITING"
    outcome: CallOutcome = "UNKNOWN"
    result: str | None = None
    result_sha256: str | None = None
    error: Failure | None = None
    attempt: int = 0
    # Derived, not stored: whether the queues gave it everything, and how many calls it still waits for.
    granted: bool = False
    waits: int = 0


@dataclass(slots=True)
class Plan:
    """An open plan."""

    plan_id: str
    idempotency_key: str
    tenant: str
    domain: str
    agent: str
    isolation: Isolation
    correlation_id: str | None
    traceparent: str | None
    calls: list[Call]
    sequence: int = 0
    committed: int = 0
    committed_in: dict[int, str] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    followers: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Derives the order and the edges."""
        after = [call.after for call in self.calls]
        self.order = topological_order(after)
        self.followers = [[] for _ in self.calls]
        for index, call in enumerate(self.calls):
            call.waits = sum(self.calls[before].outcome != "SUCCEEDED" for before in call.after)
            for before in call.after:
                self.followers[before].append(index)

    def may_start(self, index: int) -> bool:
        """Whether a call has its resources and everything that it comes after."""
        call = self.calls[index]
        return call.granted and call.waits == 0 and call.status == "WAITING"

    def key_of(self, index: int) -> str:
        """A call's idempotency key: the same whoever derives it, and another one for every call and content."""
        call = self.calls[index]
        return digest(
            self.tenant, self.plan_id, str(index), call.tool, str(call.contract_version), call.arguments_sha256
        )[:32]

    def settle(self, index: int, outcome: CallOutcome, result: str | None, error: Failure | None) -> list[int]:
        """Ends a call; returns the calls behind it that may now start, or that must be skipped."""
        call = self.calls[index]
        call.status, call.outcome, call.result, call.error = "DONE", outcome, result, error
        call.result_sha256 = None if result is None else sha256_text(result)
        if outcome == "SUCCEEDED":
            for follower in self.followers[index]:
                self.calls[follower].waits -= 1
        return self.followers[index]

    def commit(self) -> list[CommittedCall]:
        """The calls that take their place in the history now: the ended ones up to the first that is not, in the plan's order."""
        out = []
        while self.committed < len(self.order) and self.calls[self.order[self.committed]].status == "DONE":
            index = self.order[self.committed]
            call = self.calls[index]
            sha256 = None if call.outcome == "SKIPPED" else call.arguments_sha256
            out.append(
                CommittedCall(
                    index, call.outcome, call.result, call.result_sha256, call.error, call.key, call.attempt, sha256
                )
            )
            self.committed += 1
        return out

    @property
    def ended(self) -> bool:
        """Whether every call took its place."""
        return self.committed == len(self.calls)

    def terminal(self, limits: Limits) -> tuple[PlanOutcome, tuple[CallResult, ...], str]:
        """Outcome, results in call order (large ones by event and digest), and the digest of the committed history."""
        outcome: PlanOutcome = "SUCCEEDED" if all(call.outcome == "SUCCEEDED" for call in self.calls) else "FAILED"
        left = limits.inline_result_bytes
        results = []
        for index, call in enumerate(self.calls):
            left -= len(call.result.encode()) if call.result is not None else 0
            inline = left >= 0
            results.append(
                CallResult(
                    call.call_id,
                    call.tool,
                    call.outcome,
                    call.result if inline else None,
                    call.result_sha256,
                    None if inline or call.result is None else self.committed_in[index],
                    call.error,
                )
            )
        history = [
            [
                call.call_id,
                call.tool,
                call.contract_version,
                call.arguments_sha256,
                call.outcome,
                call.result_sha256,
                None if call.error is None else [call.error.code, call.error.message],
            ]
            for call in self.calls
        ]
        return outcome, tuple(results), sha256_text(compact(history))

    def to_state(self) -> str:
        """The plan as a row keeps it."""
        calls = [
            [
                *(call.call_id, call.tool, call.contract_version, call.arguments, call.arguments_sha256, call.after),
                *(
                    [[claim.resource, claim.mode] for claim in call.claims],
                    call.effect,
                    call.refers,
                    call.key,
                    call.status,
                ),
                *(call.outcome, call.result, call.result_sha256),
                *(None if call.error is None else [call.error.code, call.error.message], call.attempt),
            ]
            for call in self.calls
        ]
        head = [self.plan_id, self.idempotency_key, self.tenant, self.domain, self.agent, self.isolation]
        # ensure_ascii: PostgreSQL's text holds no NUL, and JSON's escapes hold everything.
        return json.dumps(
            [*head, self.correlation_id, self.traceparent, calls, self.sequence, self.committed, self.committed_in],
            separators=(",", ":"),
        )

    @staticmethod
    def from_state(state: str) -> Plan:
        """The plan of a row."""
        plan_id, key, tenant, domain, agent, isolation, correlation, trace, calls, sequence, committed, where = (
            json.loads(state)
        )
        return Plan(
            plan_id,
            key,
            tenant,
            domain,
            agent,
            isolation,
            correlation,
            trace,
            [call_from(fields) for fields in calls],
            sequence,
            committed,
            {int(index): event_id for index, event_id in where.items()},
        )


def call_from(fields: list[Any]) -> Call:
    """A call of a row."""
    fields = list(fields)
    fields[5] = tuple(fields[5])
    fields[6] = tuple(Claim(resource, mode) for resource, mode in fields[6])
    fields[14] = None if fields[14] is None else Failure(*fields[14])
    return Call(*fields)
