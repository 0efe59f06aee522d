"""Commands about what is there: plans, calls, budgets, dead letters."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeVar, cast

from motet.chassis.canonical import canonical_json
from motet.client import repairs
from motet.client.answers import CommandNotAnswered
from motet.client.policy import Budget
from motet.client.repairs import Repaired, repair_all
from motet.records import (
    ApprovalDecided,
    ApproveCall,
    BarrierRaised,
    BudgetChanged,
    CallSettled,
    CancelPlan,
    Command,
    CompensationResumed,
    DenyCall,
    Finding,
    RepairAction,
    RepairDeadLetter,
    ResumeCompensation,
    SetBudget,
    SettleCall,
)

T = TypeVar("T", ApprovalDecided, BarrierRaised, BudgetChanged, CallSettled, CompensationResumed)


class Sender(repairs.Sender, Protocol):
    """What sends: the client."""

    tenant: str
    domain: str
    agent: str


class Directing:
    """The client's commands. Each waits for its answer and returns that event; Refused tells why nothing changed.

    They speak of the client's own tenant and domain, and name its agent as who decides.
    """

    def __init__(self, sender: Sender, timeout_seconds: float = 30.0) -> None:
        self.sender = sender
        self.timeout_seconds = timeout_seconds

    def head(self) -> tuple[str, str, str, str]:
        """What every command begins with. A new key: the same words twice are two commands."""
        return (uuid.uuid4().hex, self.sender.tenant, self.sender.domain, self.sender.agent)

    def answered(self, kind: type[T], command: Command) -> T:
        """Sends and waits for the event that a command leads to."""
        event = self.sender.send(command).wait(self.timeout_seconds)
        if not isinstance(event, kind):
            raise CommandNotAnswered(f"a {command.FULL_NAME} was answered by {event.FULL_NAME}: {event}")
        return event

    def cancel(self, plan_id: str, reason: str = "") -> BarrierRaised:
        """Nothing more of a plan starts; what runs is told."""
        return self.answered(BarrierRaised, CancelPlan(*self.head(), plan_id, reason))

    def approve(self, plan_id: str, call_id: str, arguments_sha256: str, reason: str = "") -> ApprovalDecided:
        """Lets a call run whose arguments have that digest."""
        return self.answered(ApprovalDecided, ApproveCall(*self.head(), plan_id, call_id, arguments_sha256, reason))

    def deny(self, plan_id: str, call_id: str, arguments_sha256: str, reason: str = "") -> ApprovalDecided:
        """Ends a call that waits for a person."""
        return self.answered(ApprovalDecided, DenyCall(*self.head(), plan_id, call_id, arguments_sha256, reason))

    def settle(
        self,
        plan_id: str,
        call_id: str,
        finding: Literal["happened", "did_not_happen", "compensate"],
        result: Any = None,
        reason: str = "",
        *,
        compensation: bool = False,
    ) -> CallSettled:
        """Says what was found out about a call in doubt, or about its compensation; `result` is a JSON value, if it happened."""
        word = cast("Finding", finding.upper())
        text = canonical_json(result) if finding == "happened" else None
        return self.answered(CallSettled, SettleCall(*self.head(), plan_id, call_id, compensation, word, text, reason))

    def resume_compensation(self, plan_id: str, skip: Sequence[str] = (), reason: str = "") -> CompensationResumed:
        """Goes on with a compensation that failed; `skip` names calls that were undone by other means."""
        return self.answered(CompensationResumed, ResumeCompensation(*self.head(), plan_id, tuple(skip), reason))

    def set_budget(self, agent: str, limits: Budget, reason: str = "", *, reset: bool = False) -> BudgetChanged:
        """Sets what an agent may spend in this domain."""
        return self.answered(BudgetChanged, SetBudget(*self.head(), agent, limits.record(), reset, reason))

    def repair(
        self, dead_letter_id: str, service: str, shard: int, action: Literal["redrive", "discard"], reason: str = ""
    ) -> Repaired:
        """Has a dead letter handled once more, or gives it up, and waits for what became of it.

        `service` and `shard` are its own (in SQL: `service` and `partition`). It must be a letter of the client's tenant; a client of
        tenant `motet` may repair anybody's. Nothing is raised: a letter that fails again, is not there, or is not answered about in
        time is an outcome.
        """
        word = cast("RepairAction", action.upper())
        order = RepairDeadLetter(*self.head(), dead_letter_id, service, shard, word, reason)
        return self.repair_all([order])[0]

    def repair_all(self, orders: Sequence[RepairDeadLetter]) -> list[Repaired]:
        """Several such orders at once; those of one tenant and domain are done in the order given."""
        return repair_all(self.sender, orders, self.timeout_seconds)
