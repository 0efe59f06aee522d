"""Commands about something that is there: a plan, a call, an agent's budget, a dead letter."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from motet.chassis.hop import Hop
from motet.chassis.repairs import REPAIRS
from motet.hosting.telling import EVENTS
from motet.plan import Schedule, Step, direct
from motet.plan.direct import AboutPlan, set_budget
from motet.plan.spending import record_of
from motet.plan.text import carriable
from motet.records import BudgetChanged, Command, Meta, Reason, Repair, RepairDeadLetter, RepairOrdered, SetBudget

SERVICE: Final = re.compile(r"coordinator|agents|leases|projector|(tools|agent)-[a-z][a-z0-9-]{0,39}")
DEAD_LETTER: Final = re.compile(r"[0-9a-f]{32}")
MESSAGE_LENGTH: Final = 500


class Directing:
    """Answers commands that submit nothing."""

    def __init__(self, schedule: Schedule, partitions: int) -> None:
        self.schedule = schedule
        self.partitions = partitions

    def answer(self, command: Command, meta: Callable[[], Meta], hop: Hop) -> list[Step] | Reason:
        """What a command leads to: steps that follow, or why it is refused. `meta` makes the meta of a fact about it."""
        if isinstance(command, AboutPlan):
            return direct(self.schedule, command)
        if isinstance(command, SetBudget):
            return self.set_budget(command, meta, hop)
        if isinstance(command, RepairDeadLetter):
            return self.repair(command, meta, hop)
        raise TypeError(f"a {command.FULL_NAME} is not answered here")

    def set_budget(self, command: SetBudget, meta: Callable[[], Meta], hop: Hop) -> list[Step] | Reason:
        """An agent's budget in this domain."""
        ledger = set_budget(self.schedule, command)
        if isinstance(ledger, Reason):
            return ledger
        limits, reserved, spent = record_of(ledger.limits), record_of(ledger.reserved), record_of(ledger.spent)
        hop.emit(EVENTS, BudgetChanged(meta(), None, command.subject, limits, reserved, spent))
        return self.schedule.steps()

    def repair(self, command: RepairDeadLetter, meta: Callable[[], Meta], hop: Hop) -> list[Step] | Reason:
        """Tells the service that has a dead letter what to do with it."""
        fault = self.repair_fault(command)
        if fault is not None:
            return fault
        action, agent, reason = command.action, command.agent, carriable(command.reason, MESSAGE_LENGTH)
        letter, service, shard = command.dead_letter_id, command.service, command.shard
        hop.emit(EVENTS, RepairOrdered(meta(), "", letter, service, shard, action, agent, reason))
        key = f"{service}/{shard}".encode()
        hop.emit(REPAIRS, Repair(meta(), service, letter, action, agent, reason), key, shard)
        return []

    def repair_fault(self, command: RepairDeadLetter) -> Reason | None:
        """What is wrong with an order to repair."""
        if not SERVICE.fullmatch(command.service):
            message = f"service {command.service!r} is none: coordinator, agents, leases, projector, tools-TOOLSET or agent-AGENT"
            return Reason("UNKNOWN_SERVICE", carriable(message, MESSAGE_LENGTH), None)
        if not 0 <= command.shard < self.partitions:
            message = f"shard {command.shard} is none: there are 0 to {self.partitions - 1}"
            return Reason("UNKNOWN_SHARD", message, None)
        if not DEAD_LETTER.fullmatch(command.dead_letter_id):
            message = f"{command.dead_letter_id!r} is no dead letter's id: 32 hex digits"
            return Reason("BAD_IDENTIFIER", carriable(message, MESSAGE_LENGTH), None)
        if command.action not in ("REDRIVE", "DISCARD"):
            return Reason("UNKNOWN_ACTION", "the action is REDRIVE or DISCARD", None)
        return None
