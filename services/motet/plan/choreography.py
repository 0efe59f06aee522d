"""What may run without a coordinator, pure: calls of which it is known that they conflict with nobody.

In choreographed mode nobody keeps lines, so a claim of any mode excludes a call: a reader must not meet a writer, and a call that commutes
must not meet one that does not, and who else claims the resource, now or with a contract that comes tomorrow, nobody here can know. A call
without claims says of itself that it shares nothing; so must the one that undoes it, which may be asked for at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from motet.plan.contracts import Contract
from motet.records import Claim

INSTEAD = "submit the plan with mode HYBRID or ORCHESTRATED"


def conflicts(tool: str, contract: Contract, claims: Sequence[Claim], undoing: Contract | None) -> Iterator[str]:
    """Why a call may conflict with somebody; `undoing` is the contract of the tool that undoes it, if it is known."""
    for claim in claims:
        yield f"{tool} uses {claim.resource} ({claim.mode}), which others may use at the same time: {INSTEAD}"
    compensation = contract.record.compensation
    if compensation is None:
        return
    if undoing is None:
        yield f"{tool} is undone by {compensation.tool}, of which is not known what it uses: is its tool service running?"
    elif undoing.record.claims:
        used = ", ".join(f"{claim.template} ({claim.mode})" for claim in undoing.record.claims)
        yield f"{tool} is undone by {compensation.tool}, which uses {used}: {INSTEAD}"
