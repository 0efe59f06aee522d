"""Asking people, pure: a call whose arguments are known waits for a decision about exactly these."""

from __future__ import annotations

from functools import partial

from motet.plan.board import Board
from motet.plan.model import Call, Plan
from motet.plan.waits import MILLISECONDS
from motet.records import ApprovalDecided, ApprovalRequested


def ask(board: Board, plan: Plan, index: int, call: Call) -> None:
    """Asks for a person's decision about a call whose arguments are known."""
    call.approval, call.due = "ASKED", board.now + int(call.approval_seconds * MILLISECONDS)
    board.fact(
        plan,
        partial(
            ApprovalRequested,
            plan_id=plan.plan_id,
            index=index,
            call_id=call.call_id,
            tool=call.tool,
            contract_version=call.contract_version,
            arguments=call.arguments,
            arguments_sha256=call.arguments_sha256,
            expires_at=call.due,
        ),
    )


def withdraw(board: Board, plan: Plan, index: int, call: Call) -> None:
    """Nobody needs to decide any more."""
    if call.approval == "ASKED":
        board.fact(
            plan,
            partial(
                ApprovalDecided,
                plan_id=plan.plan_id,
                index=index,
                decision="WITHDRAWN",
                agent=None,
                reason="the call does not run any more",
                arguments_sha256=call.arguments_sha256,
            ),
        )
