"""Plans of two modes that want the same accounts: one serial order. The leaderboard's plans are compared in `test_commands.py`."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Final

import pytest

from motet.chassis.canonical import canonical_json
from motet.chassis.codec import Codec
from motet.chassis.identity import domain_key, partition_of
from motet.client import Client
from motet.demo import agents, bank
from motet.demo.contention import what_happened
from motet.plan import plan_id_of
from motet.records import Merged, Mode, ReserveResources, SubmitPlan
from world import World

TRANSFERS: Final = 320
TELLERS: Final = 12


@pytest.fixture(scope="module")
def client(shared_world: World) -> Client:
    """Both hosts and the bank."""
    shared_world.coordinator()
    shared_world.agents()
    shared_world.start("tools-bank", "tools", "serve", "motet.demo.toolsets.bank")
    return shared_world.client()


def entries(world: World, codec: Codec, key: bytes) -> dict[tuple[str, int], str]:
    """The records with which a domain's plans got in line, by topic and offset: an orchestrated plan's command, a hybrid one's request."""
    found = {}
    for topic in ("motet.commands", "motet.requests"):
        for message in world.messages(topic):
            record = codec.decode(message.value) if message.key == key else None
            if isinstance(record, SubmitPlan) and record.mode == "ORCHESTRATED":
                found[topic, message.offset] = plan_id_of(record)
            elif isinstance(record, ReserveResources):
                found[topic, message.offset] = record.plan_id
    return found


def line_order(world: World, codec: Codec, key: bytes) -> list[str]:
    """A domain's plans in the order in which they got in line, from the topics alone: the coordinator wrote down how it merged them."""
    shard = partition_of(key, 4)
    at = entries(world, codec, key)
    order: dict[str, None] = {}
    for message in world.messages("motet.merges"):
        merged = codec.decode(message.value)
        if isinstance(merged, Merged) and (merged.service, merged.shard) == ("coordinator", shard):
            places = [(one.topic, offset) for one in merged.ranges for offset in range(one.from_offset, one.to_offset)]
            order.update(dict.fromkeys(at[place] for place in places if place in at))
    return list(order)


@pytest.mark.timeout(240)
def test_hybrid_and_orchestrated_plans_fight_over_accounts(shared_world: World, client: Client) -> None:
    """P3 across the hosts: every result and balance is that of the serial run in the order of the lines, and no effect happened twice."""
    tenant = f"{shared_world.tenant}-bank"
    chance = Random(7)  # noqa: S311  it has to be repeatable
    modes: list[Mode] = ["ORCHESTRATED", "HYBRID"]
    opening = [replace(plan, tenant=tenant, mode=chance.choice(modes)) for plan in bank.opening()]
    agents.run_all(client, [[plan] for plan in opening], lambda: None)
    plans = [replace(plan, tenant=tenant, mode=chance.choice(modes)) for plan in bank.transfers(7, TRANSFERS)]
    tellers = [plans[number::TELLERS] for number in range(TELLERS)]
    outcomes = agents.run_all(client, tellers, lambda: None)
    known = {plan_id_of(plan): plan for plan in (*opening, *plans)}
    order = [known[plan_id] for plan_id in line_order(shared_world, client.codec, domain_key(tenant, bank.DOMAIN))]
    assert len(order) == len(known)
    turns = [plan.mode for plan in order]
    assert sum(one != other for one, other in pairwise(turns)) > 10, "both modes by turns"
    serial = bank.serial(order)
    for teller, conversation in zip(tellers, outcomes, strict=True):
        for plan, outcome in zip(teller, conversation, strict=True):
            wanted = [canonical_json(dict(one)) for one in serial.outcomes[plan.idempotency_key]]
            assert [one.result for one in outcome.results] == wanted
    balances, effects = what_happened(shared_world.addresses.postgres, tenant)
    assert balances == dict(serial.balances)
    refused = sum(not one["ok"] for plan in plans for one in serial.outcomes[plan.idempotency_key])
    assert effects == TRANSFERS - refused
    shared_world.await_no_lag("coordinator", "agents")
    assert shared_world.sql("SELECT plan_id FROM coordinator.reservation") == []
