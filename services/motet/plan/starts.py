"""How attempts begin, pure: resources, results, approval, slots, budget and breaker, one after the other."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any, Final

from motet.chassis.canonical import canonical_json, sha256_text
from motet.plan.approvals import ask
from motet.plan.arguments import deeper, resolve
from motet.plan.attempts import HARMLESS, begin
from motet.plan.board import Board
from motet.plan.contracts import UnknownResource, claim_faults
from motet.plan.ends import conclude, doubt
from motet.plan.lines import NOT_IN_LINE
from motet.plan.model import Call, Plan
from motet.plan.steps import Started
from motet.plan.tokens import hindrance
from motet.records import Failure, Invocation

FAULTS_SHOWN: Final = 5


def start(board: Board, plan: Plan, candidates: list[int]) -> None:
    """Starts what may start. A call that cannot start after all ends here, which may add candidates."""
    begun: list[Invocation] = []
    calls, size = plan.calls, len(plan.calls)
    while candidates:
        ready = sorted(set(candidates)) if len(candidates) > 1 else list(candidates)
        candidates.clear()
        for index in ready:
            what = attempt(board, plan, index, calls[index]) if index < size else None
            if isinstance(what, Invocation):
                begun.append(what)
            elif what is not None:
                # What began is said first: this end may raise a barrier, which tells it to stop.
                say(board, plan, begun)
                refuse(board, plan, index, what)
    if begun:
        say(board, plan, begun)


def say(board: Board, plan: Plan, begun: list[Invocation]) -> None:
    """Says which attempts began, once."""
    if begun:
        board.changed[plan.plan_id] = plan
        board.out.append(Started(plan, tuple(begun)))
        begun.clear()


def attempt(board: Board, plan: Plan, index: int, call: Call) -> Invocation | Failure | None:
    """Begins an attempt if that may be now, or says why the call cannot run. One that waited for results asks for its approval here."""
    hindered = hindrance(plan, call.leases) if call.leases and call.status in ("WAITING", "RETRYING") else None
    # Asking whether it happened needs no lease.
    if hindered is not None and not call.asks:
        return hindered
    if call.status == "RETRYING":
        return send(board, plan, index, call) if call.due <= board.now else None
    if call.status != "WAITING" or call.waits:
        return None
    outside = call.unknown and call.part == NOT_IN_LINE
    if call.refers and (call.granted or call.approval == "NEEDED" or outside):
        fault = fill(board, plan, index)
        if fault is not None:
            return fault
        if call.approval == "NEEDED":
            ask(board, plan, index, call)
        elif outside:
            board.line_up(plan)
    # It comes behind nothing any more; does it have its resources, and its approval?
    return send(board, plan, index, call) if call.granted and call.approval in ("", "GRANTED") else None


def send(board: Board, plan: Plan, index: int, call: Call) -> Invocation | Failure | None:
    """Begins an attempt, unless there are too many in flight, or the call's budget or breaker does not let it pass."""
    contract = board.contract_of(call)
    waited = call.slot
    if not board.slots.acquire(plan, index, call, contract):
        if not waited:
            board.waits(plan, index, "SLOT", call.slot)
        # From here on it waits for its turn, and not for a time.
        call.due = 0
        board.changed[plan.plan_id] = plan
        return None
    hindrance = None if call.asks else board.guards.hinder(plan, index, call, contract, board.now)
    if hindrance is not None:
        board.out += hindrance.facts
        if hindrance.waits or hindrance.failure is not None:
            # What waits for others has nothing that others wait for.
            board.pass_on(board.slots.release(plan, index, call, contract))
        if hindrance.waits:
            board.waits(plan, index, "BUDGET", plan.agent)
            # From here on it waits to be woken, and not for a time.
            call.due = 0
            board.changed[plan.plan_id] = plan
            return None
        if hindrance.failure is not None:
            return hindrance.failure
    return begin(plan, index, call, contract, board.now)


def refuse(board: Board, plan: Plan, index: int, failure: Failure) -> None:
    """A call does not run (again). If a former attempt may have happened, nobody knows whether it did."""
    call = plan.calls[index]
    if call.uncertain and call.effect not in HARMLESS:
        doubt(board, plan, index, call, failure, None)
    else:
        conclude(board, plan, index, "FAILED", None, failure)


def fill(board: Board, plan: Plan, index: int) -> Failure | None:
    """Puts earlier results into a call's arguments and checks them against the contract; the failure, if they do not fit."""
    call = plan.calls[index]
    results = {plan.calls[before].call_id: plan.calls[before].result for before in call.after}
    try:
        arguments = resolve(json.loads(call.arguments), lambda call_id: json.loads(results[call_id] or "null"))
        text = canonical_json(arguments)
    # A tool service of another make may have sent what is no JSON, or what is nested without end.
    except (ValueError, RecursionError) as error:
        return Failure("BAD_REFERENCE", str(error))
    return misfit(board, call, arguments, text) or taken(board, plan, call, arguments, text)


def misfit(board: Board, call: Call, arguments: dict[str, Any], text: str) -> Failure | None:
    """What is wrong with arguments that took results."""
    if deeper(arguments, board.limits.argument_depth):
        message = f"with results the arguments are nested deeper than {board.limits.argument_depth} levels"
        return Failure("TOO_LARGE", message)
    if len(text.encode()) > board.limits.argument_bytes:
        message = (
            f"with results the arguments have {len(text.encode())} bytes; the limit is {board.limits.argument_bytes}"
        )
        return Failure("TOO_LARGE", message)
    contract = board.contract_of(call)
    faults = list(islice(contract.faults(arguments), FAULTS_SHOWN))
    if faults:
        return Failure("ARGUMENTS_INVALID", "; ".join(faults))
    return None


def taken(board: Board, plan: Plan, call: Call, arguments: dict[str, Any], text: str) -> Failure | None:
    """Takes the arguments, and what the call uses by them."""
    contract = board.contract_of(call)
    try:
        contract.slots(arguments, plan.tenant, plan.domain)
        claims = contract.claims(arguments, plan.tenant, plan.domain) if call.unknown else ()
    except UnknownResource as error:
        return Failure("RESOURCE_NOT_KNOWN", str(error))
    fault = next(claim_faults(claims, board.limits), None)
    if fault is not None:
        return Failure(*fault)
    board.changed[plan.plan_id] = plan
    call.arguments, call.arguments_sha256, call.refers = text, sha256_text(text), False
    if call.unknown:
        # One that is in line keeps its place there, and with it the whole that it was given: others may have come since.
        call.unknown, call.claims = False, claims if call.part == NOT_IN_LINE else call.claims
    return None
