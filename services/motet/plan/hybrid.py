"""What a hybrid plan asks the coordinator for, pure: everything that its calls, and the calls that undo them, may use.

It is asked for as one and before anything runs, so all of it must be known at admission, and nothing of the plan may wait for a person.
"""

from __future__ import annotations

from typing import Any, Final

from motet.plan.contracts import Contract
from motet.plan.undo import claims_before
from motet.records import Claim

INSTEAD: Final = "submit the plan with mode ORCHESTRATED"


def uses(
    contract: Contract,
    claims: tuple[Claim, ...],
    undoing: Contract | None,
    arguments: dict[str, Any],
    tenant: str,
    domain: str,
) -> tuple[Claim, ...] | str:
    """The resources that a call may use until nothing of it is open, or why they are not known."""
    tool, compensation = contract.record.name, contract.record.compensation
    if compensation is None or contract.record.effect == "PURE":
        return claims
    if undoing is None:
        return (
            f"{tool} is undone by {compensation.tool}, of which is not known what it uses: is its tool service running?"
        )
    more = claims_before(arguments, contract, undoing, tenant, domain)
    if more is None:
        return f"{tool} is undone by {compensation.tool}, which uses resources that follow from a result: {INSTEAD}"
    return (*claims, *more)
