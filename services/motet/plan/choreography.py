"""What may run without a coordinator, pure: calls of which it is known that they conflict with nobody.

In choreographed mode nobody keeps lines, so a claim of any mode excludes a call: a reader must not meet a writer, and a call that commutes
must not meet one that does not, and who else claims the resource, now or with a contract that comes tomorrow, nobody here can know. A call
without claims says of itself that it shares nothing; so must the one that undoes it, which may be asked for at any time. And a call that says
which version of a resource it was decided on needs no line for it: who was faster is found in the transaction of its effect.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from motet.plan.contracts import Contract
from motet.records import Claim

INSTEAD = "submit the plan with mode HYBRID or ORCHESTRATED"


def conflicts(
    tool: str, contract: Contract, claims: Sequence[Claim], undoing: Contract | None, expected: Collection[str]
) -> Iterator[str]:
    """Why a call may conflict with somebody.

    `undoing` is the contract of the tool that undoes it, if it is known; `expected` are the resources of which it expects a version.
    """
    for claim in claims:
        if claim.resource not in expected:
            yield (
                f"{tool} uses {claim.resource} ({claim.mode}), which others may use at the same time: {INSTEAD}, or let the call expect "
                "a version of it"
            )
    compensation = contract.record.compensation
    if compensation is None or contract.record.effect == "PURE":
        return
    if undoing is None:
        yield f"{tool} is undone by {compensation.tool}, of which is not known what it uses: is its tool service running?"
    elif undoing.record.claims:
        used = ", ".join(f"{claim.template} ({claim.mode})" for claim in undoing.record.claims)
        yield f"{tool} is undone by {compensation.tool}, which uses {used}: {INSTEAD}"
