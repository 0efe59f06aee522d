"""The second half: transfers that fight over the same accounts, compared with the serial run in log order."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg

from motet.chassis.canonical import canonical_json
from motet.chassis.errors import MotetError
from motet.chassis.identity import domain_key
from motet.client import Client
from motet.client.events import Tail
from motet.demo import agents, bank
from motet.records import SubmitPlan
from motet.tools.host import schemas_of

OPENING_SECONDS = 60.0


class DemoFailed(MotetError):
    """The demo could not be set up."""


@dataclass(frozen=True, slots=True)
class Contention:
    """What came of it."""

    tenant: str
    agents: int
    accounts: int
    plans: int
    transfers: int
    refused: int
    results_equal: int
    effects: int
    money_before: int
    money_after: int
    balances_equal: bool
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether balances and results equal the serial run, no money came or went, and no effect happened twice."""
        return (
            self.balances_equal
            and self.results_equal == self.transfers
            and self.money_after == self.money_before
            and self.effects == self.transfers - self.refused
        )


def run(
    client: Client, postgres_url: str, tenant: str, seed: int, transfers: int, ended: Callable[[], None]
) -> Contention:
    """Opens the accounts, lets all agents transfer at once, and compares."""
    opening = [replace(plan, tenant=tenant) for plan in bank.opening()]
    for one in [client.submit_command(plan) for plan in opening]:
        if one.wait(OPENING_SECONDS).status != "SUCCEEDED":
            raise DemoFailed(f"the bank's accounts could not be opened: plan {one.plan_id}")
    plans = [replace(plan, tenant=tenant) for plan in bank.transfers(seed, transfers)]
    tellers = [plans[number :: bank.AGENTS] for number in range(min(bank.AGENTS, len(plans)))]
    began = time.monotonic()
    outcomes = agents.run_all(client, tellers, ended)
    seconds = time.monotonic() - began
    serial = bank.serial(in_log_order(client, tenant))
    equal = sum(
        canonical_json(dict(want)) == have.result
        for teller, conversation in zip(tellers, outcomes, strict=True)
        for plan, outcome in zip(teller, conversation, strict=True)
        for want, have in zip(serial.outcomes[plan.idempotency_key], outcome.results, strict=False)
    )
    balances, effects = what_happened(postgres_url, tenant)
    return Contention(
        tenant,
        len(tellers),
        bank.ACCOUNTS,
        len(plans),
        sum(len(plan.calls) for plan in plans),
        sum(not want["ok"] for plan in plans for want in serial.outcomes[plan.idempotency_key]),
        equal,
        effects,
        bank.ACCOUNTS * bank.OPENING_BALANCE,
        sum(balances.values()),
        balances == dict(serial.balances),
        seconds,
    )


def in_log_order(client: Client, tenant: str) -> list[SubmitPlan]:
    """The bank's commands in the order in which Kafka has them."""
    tail = Tail(client.bootstrap, "motet.commands", from_beginning=True)
    key = domain_key(tenant, bank.DOMAIN)
    out: dict[str, SubmitPlan] = {}
    try:
        for batch in tail.batches(lambda: False, follow=False):
            for message in batch:
                if message.key == key:
                    record = client.codec.decode(message.value)
                    if isinstance(record, SubmitPlan):
                        out.setdefault(record.idempotency_key, record)
    finally:
        tail.close()
    return list(out.values())


def what_happened(postgres_url: str, tenant: str) -> tuple[dict[str, int], int]:
    """Balances by account, and how many transfers the bank's own journal has."""
    schema = schemas_of("bank")[0]
    with psycopg.connect(postgres_url) as connection:
        balances: dict[str, int] = dict(
            connection.execute(
                f"SELECT id, balance FROM {schema}.account WHERE tenant = %s".encode(), (tenant,)
            ).fetchall()
        )
        row = connection.execute(
            f"SELECT count(*) FROM {schema}.journal WHERE tenant = %s".encode(), (tenant,)
        ).fetchone()
    return balances, int(row[0]) if row else 0
