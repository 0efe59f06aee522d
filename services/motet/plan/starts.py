"""How attempts begin, pure: resources, results, approval, budget and breaker, one after the other."""

from __future__ import annotations

import json
from itertools import islice
from typing import Final

from motet.chassis.canonical import canonical_json, sha256_text
from motet.plan.approvals import ask
from motet.plan.arguments import deeper, resolve
from motet.plan.attempts import begin
from motet.plan.board import Board
from motet.plan.ends import HARMLESS, conclude, doubt
from motet.plan.model import Call, Plan
from motet.plan.steps import Started
from motet.records import Failure, Invocation

FAULTS_SHOWN: Final = 5


def start(board: Board, plan: Plan, candidates: list[int]) -> None:
    """Starts what may start. A call whose resolved arguments are wrong fails here, which may add candidates."""
    out: list[Invocation] = []
    while candidates:
        ready = sorted(set(candidates))
        candidates.clear()
        for index in ready:
            call = plan.call_at(index)
            if call is not None and index < len(plan.calls) and prepared(board, plan, index, call):
                invocation = send(board, plan, index, call)
                out.extend([invocation] if invocation else [])
    if out:
        board.changed[plan.plan_id] = plan
        board.out.append(Started(plan, tuple(out)))


def prepared(board: Board, plan: Plan, index: int, call: Call) -> bool:
    """Whether an attempt of a call may begin now; a call that waited for results asks for its approval here."""
    if call.status == "RETRYING":
        return call.due <= board.now
    if call.status != "WAITING" or call.waits:
        return False
    if call.refers and (call.granted or call.approval == "NEEDED"):
        fault = fill(board, plan, index)
        if fault is not None:
            conclude(board, plan, index, "FAILED", None, fault)
            return False
        if call.approval == "NEEDED":
            ask(board, plan, index, call)
    return plan.may_start(index)


def send(board: Board, plan: Plan, index: int, call: Call) -> Invocation | None:
    """Begins an attempt; None if the call's budget or breaker does not let it pass."""
    contract = board.contract_of(call)
    if not call.asks:
        hindrance = board.guards.hinder(plan, index, call, contract, board.now)
        board.out.extend(hindrance.facts)
        if hindrance.waits:
            return None
        if hindrance.failure is not None:
            if call.uncertain and call.effect not in HARMLESS:
                doubt(board, plan, index, call, hindrance.failure, None)
            else:
                conclude(board, plan, index, "FAILED", None, hindrance.failure)
            return None
    return begin(plan, index, call, contract, board.now)


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
    if deeper(arguments, board.limits.argument_depth):
        message = f"with results the arguments are nested deeper than {board.limits.argument_depth} levels"
        return Failure("TOO_LARGE", message)
    if len(text.encode()) > board.limits.argument_bytes:
        message = (
            f"with results the arguments have {len(text.encode())} bytes; the limit is {board.limits.argument_bytes}"
        )
        return Failure("TOO_LARGE", message)
    faults = list(islice(board.contract_of(call).faults(arguments), FAULTS_SHOWN))
    if faults:
        return Failure("ARGUMENTS_INVALID", "; ".join(faults))
    board.changed[plan.plan_id] = plan
    call.arguments, call.arguments_sha256, call.refers = text, sha256_text(text), False
    return None
