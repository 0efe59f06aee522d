"""Agents at work, and what they saw: the client's side of the history.

Each agent asks for one plan after the other, of kinds that between them use every effect class, every mode, compensation and contention.
What it saw of a plan is one of three: `ok`, it was told its end; `failed`, it was told that nothing of it will run; `unknown`, anything
else, a time-out above all. Who was not told goes on; what became of it the log says later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Literal, Self

from motet.chaos.stage import Stage, pause
from motet.chassis.errors import ConfigurationError, MotetError
from motet.client import Call, Client, Outcome, Policy
from motet.client.client import Submitted

AGENTS: Final = 9
ACCOUNTS: Final = 8
OPENING: Final = 1_000
WAIT_SECONDS: Final = 10.0
THINK_SECONDS: Final = (0.03, 0.12)
# An agent that waits for nobody asks ten times as often: a plan takes it some 0.25 s otherwise.
BURST_SECONDS: Final = 0.025
SETTLE_SECONDS: Final = 60.0

Seen = Literal["ok", "failed", "unknown"]


@dataclass(slots=True)
class Operation:
    """A plan that an agent asked for. `status` is its end as the agent was told, at once or late."""

    tenant: str
    kind: str
    key: str
    plan_id: str = ""
    seen: Seen = "unknown"
    status: str | None = None
    seconds: float = 0.0
    submitted: Submitted | None = field(default=None, repr=False)


def canary(tenant: str) -> str:
    """A text that must be nowhere but with its tenant."""
    return f"canary<{tenant}>"


# -- kinds of plans ------------------------------------------------------------------------------------------------------------


def transfers(chance: Random, note: str) -> dict[str, Any]:
    """Accounts that everybody fights over; overdrafts are refused, so every result depends on the order."""
    del note
    calls = []
    for _ in range(4):
        source, target = chance.sample(range(ACCOUNTS), 2)
        amount = chance.randint(1, 600)
        calls.append(Call("bank.transfer", {"source": f"{source:02}", "target": f"{target:02}", "amount": amount}))
    return {"calls": calls, "domain": "bank"}


def effects(chance: Random, note: str) -> dict[str, Any]:
    """Every effect class at once."""
    calls = [
        Call("chaos.charge", {"note": note}),
        Call("chaos.pay", {"note": note}),
        Call("chaos.mail", {"note": note}),
        Call("chaos.deposit", {"account": f"a{chance.randrange(ACCOUNTS)}", "amount": 1, "note": note}),
    ]
    return {"calls": chance.sample(calls, 3), "policy": Policy(in_doubt="end")}


def saga(chance: Random, note: str) -> dict[str, Any]:
    """What succeeds is undone, because one call fails for good."""
    account = f"a{chance.randrange(ACCOUNTS)}"
    calls = [
        Call("chaos.deposit", {"account": account, "amount": chance.randint(1, 9), "note": note}, "put"),
        Call("chaos.deposit", {"account": f"{account}'", "amount": 1, "note": note}, "more"),
        Call("chaos.charge", {"note": note}, "charged"),
        Call("chaos.refuse", {}, "no", after=("put", "more", "charged")),
    ]
    return {"calls": calls, "policy": Policy(on_failure="compensate", in_doubt="end")}


def choreographed(chance: Random, note: str) -> dict[str, Any]:
    """What conflicts with nobody, without a coordinator."""
    calls = [
        Call("chaos.charge", {"note": note}),
        Call("chaos.note", {"account": f"n{chance.randrange(ACCOUNTS)}", "amount": 1, "note": note}),
    ]
    return {"calls": calls, "mode": "choreographed"}


def hybrid(chance: Random, note: str) -> dict[str, Any]:
    """Resources from the coordinator, everything else by the agents' own service."""
    calls = [
        Call("chaos.deposit", {"account": f"a{chance.randrange(ACCOUNTS)}", "amount": 1, "note": note}),
        Call("chaos.deposit", {"account": f"a{chance.randrange(ACCOUNTS)}", "amount": 1, "note": note}),
    ]
    return {"calls": calls, "mode": "hybrid"}


KINDS: Final[dict[str, tuple[int, Callable[[Random, str], dict[str, Any]]]]] = {
    "transfers": (4, transfers),
    "effects": (3, effects),
    "saga": (2, saga),
    "choreographed": (1, choreographed),
    "hybrid": (1, hybrid),
}


# -- agents --------------------------------------------------------------------------------------------------------------------


class Load:
    """Agents of several tenants; a context manager, at whose end nobody asks for more."""

    def __init__(self, stage: Stage, client: Client, tenants: Sequence[str], seed: str) -> None:
        self.stage, self.client, self.tenants, self.seed = stage, client, tenants, seed
        self.operations: list[Operation] = []
        self.stopping = threading.Event()
        self.threads = ThreadPoolExecutor(AGENTS, thread_name_prefix="agent")

    def __enter__(self) -> Self:
        self.running = [self.threads.submit(self.work, number) for number in range(AGENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.threads.shutdown()
        for one in self.running:
            one.result()

    def work(self, number: int) -> None:
        """One agent, until told to stop. Its plans follow from the seed; how far it comes does not."""
        chance = Random(f"{self.seed}/{number}")  # noqa: S311  it has to be repeatable
        tenant = self.tenants[number % len(self.tenants)]
        names, weights = list(KINDS), [weight for weight, _ in KINDS.values()]
        count = 0
        while not self.stopping.is_set():
            (kind,) = chance.choices(names, weights)
            self.ask(tenant, kind, f"{self.seed}/{number}/{count}", KINDS[kind][1](chance, canary(tenant)))
            count += 1
            think = chance.uniform(*THINK_SECONDS)
            pause(BURST_SECONDS if self.stage.burst.is_set() else think)

    def ask(self, tenant: str, kind: str, key: str, options: dict[str, Any]) -> None:
        """Asks for a plan and waits for its end, not for ever."""
        operation = Operation(tenant, kind, key)
        self.operations.append(operation)
        began = time.monotonic()
        try:
            operation.submitted = self.client.submit(tenant=tenant, idempotency_key=key, **options)
            operation.plan_id = operation.submitted.plan_id
            if not self.stage.burst.is_set():
                self.told(operation, operation.submitted.wait(WAIT_SECONDS))
        except ConfigurationError:
            operation.seen = "failed"
        except MotetError:
            # It may have reached Kafka all the same, and run.
            operation.seen = "unknown"
        operation.seconds = time.monotonic() - began

    def told(self, operation: Operation, outcome: Outcome) -> None:
        """An agent heard how its plan ended."""
        operation.seen, operation.status = "ok", outcome.status

    def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Lets those who gave up waiting hear of their plans after all."""
        late = [one for one in self.operations if one.seen == "unknown" and one.submitted is not None]
        wait([one.submitted.future for one in late if one.submitted is not None], seconds)
        for one in late:
            future = one.submitted.future if one.submitted is not None else None
            if future is not None and future.done() and future.exception() is None:
                one.status = future.result().status


def open_accounts(client: Client, tenants: Sequence[str]) -> None:
    """What transfers need, before anything is broken. Raises MotetError."""
    for tenant in tenants:
        calls = [Call("bank.open", {"account": f"{number:02}", "balance": OPENING}) for number in range(ACCOUNTS)]
        client.run(calls, tenant=tenant, domain="bank", idempotency_key=f"open/{tenant}")
