"""Under what a plan's events are decided, as each of them says beside its content: strategy, rules, workflow, contracts."""

from __future__ import annotations

from motet.chassis.decided_by import told
from motet.modes import mode_of
from motet.plan import Plan


def of_plan(plan: Plan) -> str:
    """The same in every event of a plan; of a plan whose row is older than this only its workflow is not known."""
    if not plan.under:
        contracts = {(call.tool, call.contract_version) for call in plan.calls}
        named = tuple(f"{tool}@{version}" for tool, version in sorted(contracts))
        plan.under = told(mode_of(plan.plan_id), plan.rules, plan.workflow, named)
    return plan.under


def of_command(plan_id: str) -> str:
    """Of a command that became no plan, or not again: what it says of rules and workflow is in force for nothing. Empty if it names no plan."""
    return told(mode_of(plan_id)) if plan_id else ""
