"""When each plan is to be looked at again, pure. Which clock says that it is time is not decided here."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from motet.plan.board import Board
from motet.plan.contracts import Contract
from motet.plan.model import Call, Plan
from motet.plan.waits import MILLISECONDS

# Below this many a heap is not worth tidying.
FEW = 1_000


def call_alarm(call: Call, contract: Contract) -> int:
    """When something of a call is due, in milliseconds since 1970; 0 for never."""
    if call.status == "WAITING":
        return call.due if call.approval == "ASKED" else 0
    if call.status == "RETRYING":
        return call.due
    if call.status == "STARTED" or call.lingers == "RUNNING":
        return call.due if call.told else call.began + contract.deadline_ms
    return 0


def call_due(call: Call, contract: Contract, now: int) -> bool:
    """Whether something of a call is due."""
    return 0 < call_alarm(call, contract) <= now


def plan_alarm(plan: Plan) -> int:
    """When the plan's own time is over; 0 once that changes nothing any more."""
    if plan.outcome != "UNKNOWN" or plan.undoing:
        return 0
    due = min(plan.deadline, plan.known_by) if plan.known_by and unknown(plan) else plan.deadline
    return min(due, plan.lease_by) if plan.lease_by and plan.outside else due


def unknown(plan: Plan) -> bool:
    """Whether it is still to come what a call of a plan uses."""
    return plan.known_by > 0 and not plan.barrier and any(call.unknown and call.status != "DONE" for call in plan.calls)


def plan_due(plan: Plan, now: int) -> bool:
    """Whether the plan's own time is over."""
    return 0 < plan_alarm(plan) <= now


def why_over(plan: Plan, now: int) -> str:
    """Of a plan whose own time is over: which of its times that was."""
    if plan.deadline <= now:
        return f"the plan's time of {(plan.deadline - plan.admitted) / MILLISECONDS:g} s is over"
    if unknown(plan) and plan.known_by <= now:
        late = next(call.call_id for call in plan.calls if call.unknown and call.status != "DONE")
        return f"what {late} uses was not known within {(plan.known_by - plan.admitted) / MILLISECONDS:g} s"
    return f"it did not get its leases within {plan.lease_wait / MILLISECONDS:g} s"


class Alarms:
    """The plans by when they are to be looked at. An entry that its plan does not name any more is stale."""

    def __init__(self) -> None:
        self.heap: list[tuple[int, str]] = []

    def set(self, plan: Plan, board: Board) -> None:
        """Notes when a plan is to be looked at next."""
        due = plan_alarm(plan)
        for call in plan.calls if not plan.compensations else [call for _, call in plan.everything()]:
            # Most calls have ended, or wait for nothing that has a time.
            status = call.status
            if (status != "DONE" or call.lingers) and (status != "WAITING" or call.due):
                alarm = call_alarm(call, board.contract_of(call))
                if alarm and (alarm < due or not due):
                    due = alarm
        if due and due != plan.alarm:
            heapq.heappush(self.heap, (due, plan.plan_id))
        plan.alarm = due

    def next(self) -> int | None:
        """When the first one is due, in milliseconds since 1970."""
        return self.heap[0][0] if self.heap else None

    def take(self, plans: Mapping[str, Plan], now: int) -> list[tuple[str, int]]:
        """The plans that are due, each once, with when."""
        out: list[tuple[str, int]] = []
        while self.heap and self.heap[0][0] <= now:
            due, plan_id = heapq.heappop(self.heap)
            plan = plans.get(plan_id)
            # One that was set again, for the same time, has two entries, and they come out together.
            if plan is not None and plan.alarm == due and out[-1:] != [(plan_id, due)]:
                out.append((plan_id, due))
        return out

    def tidy(self, plans: Mapping[str, Plan]) -> None:
        """Drops stale entries once they are most of the heap: its size follows the open plans."""
        if len(self.heap) > 2 * len(plans) + FEW:
            self.heap = [
                (due, plan_id) for due, plan_id in self.heap if plan_id in plans and plans[plan_id].alarm == due
            ]
            heapq.heapify(self.heap)
