"""People: who is asked about something looks at the world, and sends a command. They are honest, and they wait until they can know."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from motet.modes import host_of
from motet.plan import Call, Plan
from motet.records import ApproveCall, DenyCall, ResumeCompensation, SettleCall
from motet.simulation.host import Host
from motet.simulation.inputs import TENANT
from motet.simulation.judge import Judge
from motet.simulation.plan_host import PlanHost
from motet.simulation.world import REFUSED

Head = tuple[str, str, str, str, str]


class People:
    """Those whom approvals, doubts and compensations that failed are shown to."""

    def __init__(self, judge: Judge, plan_hosts: Collection[PlanHost], hosts: Collection[Host]) -> None:
        self.judge = judge
        self.plan_hosts = {one.name: one for one in plan_hosts}
        self.hosts = hosts
        self.commands = 0

    def command(self) -> Any:
        """What somebody sends next; nothing if there is nothing that anybody can know."""
        matters = self.judge.matters
        for _ in range(len(matters)):
            kind, plan_id, index = matters.pop(0)
            command = self.command_about(kind, plan_id, index)
            if command == "later":
                matters.append((kind, plan_id, index))
            elif command is not None:
                return command
        return None

    def command_about(self, kind: str, plan_id: str, index: int) -> Any:
        """What a person sends; nothing if it is settled already, `later` if nobody can know yet."""
        plan = self.plan_hosts[host_of(plan_id)].schedule.plans.get(plan_id)
        call = None if plan is None else plan.call_at(index)
        if plan is None or call is None:
            return None
        self.commands += 1
        head = (f"h{self.commands}", TENANT, plan.domain, "boss", plan_id)
        if kind == "ask":
            return self.decision(head, call)
        return self.resumption(head, plan) if kind == "failed" else self.finding(head, plan, index, call)

    def decision(self, head: Head, call: Call) -> Any:
        """About a call that needs an approval: nobody decides about one in eight."""
        mind = int(call.arguments_sha256[:4], 16) % 8
        if call.approval != "ASKED" or call.status != "WAITING" or mind == 0:
            return None
        kind = DenyCall if mind == 1 else ApproveCall
        return kind(*head, call.call_id, call.arguments_sha256, "so it is")

    def resumption(self, head: Head, plan: Plan) -> Any:
        """About a compensation that failed: it is tried once more, then undone by other means."""
        if not plan.undo_failed:
            return None
        if any(one.in_doubt for one in plan.compensations.values()):
            return "later"
        again = self.judge.watches[plan.plan_id].resumed == 0
        return ResumeCompensation(*head, () if again else (plan.calls[plan.undo[0]].call_id,))

    def finding(self, head: Head, plan: Plan, index: int, call: Call) -> Any:
        """About a call in doubt: a person looks at the world, once nothing of it can be under way any more."""
        if not call.in_doubt:
            return None
        if any(host.in_flight(call.key) for host in self.hosts):
            return "later"
        size = len(plan.calls)
        result = self.judge.world.result_of(call.key)
        happened = result is not None and result != REFUSED
        finding: Any = "HAPPENED" if happened else "DID_NOT_HAPPEN"
        if happened and index < size and call.undo_version and int(call.arguments_sha256[:4], 16) % 3 == 0:
            return SettleCall(*head, plan.calls[index].call_id, False, "COMPENSATE")  # noqa: FBT003  the record's field
        name = plan.calls[index % size].call_id
        return SettleCall(*head, name, index >= size, finding, result if happened else None)
