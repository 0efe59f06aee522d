"""Contention: 10,000 transfers in plans of 8 that 100 agents make between the same 50 accounts, and their serial run.

All plans are in one domain, so one partition puts them in order. Accounts begin nearly empty and overdrafts are refused: which
transfers happen, and every balance in every result, depends on the order.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from motet.chassis.canonical import canonical_json
from motet.demo.toolsets.bank import Opened, Transferred, answer, decide
from motet.records import PlannedCall, SubmitPlan

TENANT, DOMAIN = "bank", "main"
TRANSFERS, CALLS_A_PLAN, ACCOUNTS, AGENTS = 10_000, 8, 50, 100
OPENING_BALANCE, MAXIMUM_AMOUNT = 1_000, 600


@dataclass(frozen=True, slots=True)
class SerialRun:
    """Balances by account, and the results of each plan in call order, by the plan's idempotency key."""

    balances: Mapping[str, int]
    outcomes: Mapping[str, tuple[Opened | Transferred, ...]]


def opening(accounts: int = ACCOUNTS) -> tuple[SubmitPlan, ...]:
    """The plans that open the accounts; each must have ended before the first transfer is submitted."""
    calls = [
        ("bank.open", canonical_json({"account": account_name(number), "balance": OPENING_BALANCE}))
        for number in range(accounts)
    ]
    return tuple(
        _plan(f"open/{number}", "branch", calls[first : first + CALLS_A_PLAN])
        for number, first in enumerate(range(0, len(calls), CALLS_A_PLAN))
    )


def transfers(
    seed: int, count: int = TRANSFERS, accounts: int = ACCOUNTS, agents: int = AGENTS
) -> tuple[SubmitPlan, ...]:
    """`count` transfers in plans of 8, the agents in turn; the same seed gives the same plans."""
    chance = random.Random(seed)  # noqa: S311  no secret: a seed names a run
    calls = []
    for _ in range(count):
        source, target = chance.sample(range(accounts), 2)
        amount = chance.randint(1, MAXIMUM_AMOUNT)
        arguments = {"source": account_name(source), "target": account_name(target), "amount": amount}
        calls.append(("bank.transfer", canonical_json(arguments)))
    return tuple(
        _plan(f"transfer/{seed}/{number}", f"teller-{number % agents:03}", calls[first : first + CALLS_A_PLAN])
        for number, first in enumerate(range(0, count, CALLS_A_PLAN))
    )


def serial(plans_in_log_order: Iterable[SubmitPlan]) -> SerialRun:
    """Runs plans one after another in memory: what Motet must give for that order of the log."""
    balances: dict[str, int] = {}
    outcomes: dict[str, tuple[Opened | Transferred, ...]] = {}
    for plan in plans_in_log_order:
        outcomes[plan.idempotency_key] = tuple(_run(call, balances) for call in plan.calls)
    return SerialRun(balances, outcomes)


def account_name(number: int) -> str:
    """Account numbers as two digits or more: `07`."""
    return f"{number:02}"


def _run(call: PlannedCall, balances: dict[str, int]) -> Opened | Transferred:
    arguments = json.loads(call.arguments)
    if call.tool == "bank.open":
        account, balance = arguments["account"], arguments["balance"]
        new = account not in balances
        balances.setdefault(account, balance)
        return Opened(ok=new, balance=balance)
    if call.tool != "bank.transfer":
        raise ValueError(
            f"call {call.call_id} is {call.tool}; the serial run of the bank knows bank.open and bank.transfer"
        )
    source, target, amount = arguments["source"], arguments["target"], arguments["amount"]
    reason = decide(source, target, amount, balances)
    if reason is None:
        balances[source] -= amount
        balances[target] += amount
    return answer(source, target, reason, balances)


def _plan(key: str, agent: str, calls: list[tuple[str, str]]) -> SubmitPlan:
    return SubmitPlan(
        idempotency_key=key,
        tenant=TENANT,
        domain=DOMAIN,
        agent=agent,
        isolation="PLAN",
        calls=tuple(PlannedCall(f"c{index}", tool, None, text, ()) for index, (tool, text) in enumerate(calls)),
        correlation_id=None,
        traceparent=None,
    )
