"""Compensation, pure: which calls are undone, in which order, and with which arguments.

As in sagas (Garcia-Molina and Salem, 1987): what succeeded is undone in reverse order of its commit, one call at a time. A compensation is a
call of its own, with its own key and retries; its index is that of the call that it undoes plus the number of calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from motet.chassis.canonical import canonical_json, sha256_text
from motet.plan.arguments import BadArguments, Reference, follow
from motet.plan.contracts import Contract, Contracts, UnknownResource
from motet.plan.model import Call, Plan
from motet.plan.tokens import hindrance
from motet.records import Claim, Compensation, Failure

ARGUMENT: Final = "$argument"
RESULT: Final = "$result"


def filled(template: Any, arguments: dict[str, Any], result: Any, *, known: bool = True) -> Any:
    """A compensation's arguments from those of the call and its result. Raises BadArguments.

    Before the call has ended (`known` is false) what comes from its result is left as it is.
    """
    if isinstance(template, dict):
        if len(template) == 1 and isinstance(template.get(ARGUMENT), str):
            name = template[ARGUMENT]
            if name not in arguments:
                raise BadArguments("BAD_REFERENCE", f"the call has no argument {name!r}, which its compensation takes")
            return arguments[name]
        if len(template) == 1 and isinstance(template.get(RESULT), str):
            return follow(result, Reference("the call", template[RESULT])) if known else template
        return {name: filled(child, arguments, result, known=known) for name, child in template.items()}
    if isinstance(template, list):
        return [filled(child, arguments, result, known=known) for child in template]
    return template


def arguments_of(call: Call, contract: Contract, compensation: Compensation) -> dict[str, Any]:
    """The arguments of a call's compensation once the call has ended. Raises BadArguments."""
    given = {**contract.defaults, **json.loads(call.arguments)}
    found = call.late_result if call.result is None else call.result
    result = None if found is None else json.loads(found)
    return dict(filled(json.loads(compensation.arguments), given, result))


def claims_before(
    arguments: dict[str, Any], contract: Contract, undoing: Contract, tenant: str, domain: str
) -> tuple[Claim, ...] | None:
    """The resources of a call's compensation as far as they are known at admission; None if they follow from a result."""
    if contract.record.compensation is None:
        return ()
    given = given_before(arguments, contract)
    try:
        return None if given is None or undoing.unknown(given) else undoing.claims(given, tenant, domain)
    except UnknownResource:
        return None


def given_before(arguments: dict[str, Any], contract: Contract) -> dict[str, Any] | None:
    """The arguments of a call's compensation as far as they are known at admission; None if they cannot be made."""
    compensation = contract.record.compensation
    if compensation is None:
        return None
    given = {**contract.defaults, **arguments}
    try:
        return dict(filled(json.loads(compensation.arguments), given, None, known=False))
    except BadArguments:
        return None


def is_undone(plan: Plan) -> bool:
    """Whether what a plan did is undone."""
    return plan.policy.on_failure == "COMPENSATE" and not plan.succeeded


def to_be_undone(call: Call, *, undone: bool) -> bool:
    """Whether a call that has its end is to be undone: it happened, in time or late, and the plan is undone. What is pure left nothing."""
    if call.undo:
        return True
    return undone and call.effect != "PURE" and (call.outcome == "SUCCEEDED" or call.late_result is not None)


def to_undo(plan: Plan, *, undone: bool) -> list[int]:
    """The calls that are to be undone, in order."""
    found = [index for index, call in enumerate(plan.calls) if to_be_undone(call, undone=undone)]
    return in_order(plan, found) if found else found


def in_order(plan: Plan, indexes: Iterable[int]) -> list[int]:
    """Calls in the order in which they are undone: the last one in the history first."""
    return sorted(indexes, key=plan.order.index, reverse=True)


def compensation_of(plan: Plan, index: int, contracts: Contracts) -> Call | Failure:
    """The call that undoes a call, or why there is none."""
    call = plan.calls[index]
    contract = contracts.get(call.tool, call.contract_version)
    how = None if contract is None else contract.record.compensation
    undoing = None if how is None else contracts.get(how.tool, call.undo_version or how.contract_version)
    if contract is None or how is None:
        return Failure("NO_COMPENSATION", f"the contract of {call.tool} names no tool that undoes it")
    if undoing is None:
        return Failure("NO_COMPENSATION", f"{how.tool}, which undoes {call.tool}, has no contract")
    try:
        arguments = arguments_of(call, contract, how)
        text = canonical_json(arguments)
        claims = undoing.claims(arguments, plan.tenant, plan.domain)
        leases = tuple(sorted({*call.leases, *undoing.leases(arguments, plan.tenant, plan.domain)}))
    except (ValueError, RecursionError) as error:
        return Failure("BAD_REFERENCE", f"the arguments of {how.tool} cannot be made: {error}")
    faults = next(undoing.faults(arguments), None)
    if faults is not None:
        return Failure(
            "ARGUMENTS_INVALID", f"{how.tool}, which undoes {call.tool}, does not take its arguments: {faults}"
        )
    hindered = hindrance(plan, leases) if leases else None
    if hindered is not None:
        return hindered
    record = undoing.record
    head = call.call_id, record.name, record.version, text, sha256_text(text)
    return Call(*head, (), claims, record.effect, part=-1, leases=leases)
