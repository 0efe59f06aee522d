"""The lease service on real servers: what it answers, what SQL shows, what it does when it is killed, and a replay of its topics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from desk import Desk
from motet.chassis import provision
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.settings import Settings
from motet.chassis.waiting import wait_until
from motet.client import Client
from motet.client.leases import BadRequest, Lease, LeaseLost, NotGranted
from motet.client.leases.on_motet import MotetLeases
from motet.conformance import reading, rerun
from motet.conformance.shard_log import ShardLog
from motet.leases import service
from motet.projector.rebuild import rebuild
from motet.records import AcquireLeases, HolderTold, LeaseCommandRepeated, LeaseEvent, LeasesExpired, LeasesGranted
from world import World

ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS: Final = 30.0


@pytest.fixture(scope="module")
def client(shared_world: World) -> Iterator[Client]:
    """A client; the lease service and the projector run."""
    shared_world.leases()
    shared_world.projector()
    with shared_world.client() as made:
        yield made


def ask(got: dict[str, Lease], leases: MotetLeases, *resources: str) -> threading.Thread:
    """Asks on a thread of its own, and waits."""

    def run() -> None:
        got[leases.who] = leases.acquire(resources, duration_seconds=60, wait_seconds=30)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def await_waiting(leases: MotetLeases, resource: str, waiting: int) -> None:
    """Waits until so many wait for a resource."""
    wait_until(lambda: leases.waiting(resource) == waiting, SECONDS, f"{waiting} wait for {resource}")


def test_several_resources_wait_in_the_order_of_the_log(client: Client, shared_world: World) -> None:
    """SQL shows who holds and who waits; a release grants the next; the same key again is the same lease."""
    ann, bob, eve = (client.leases.of(scope="order", holder=name) for name in ("ann", "bob", "eve"))
    first = ann.acquire(["account:2", "account:1"], duration_seconds=60, idempotency_key="k1")
    assert first.resources == ("account:1", "account:2")
    assert ann.acquire(["account:2", "account:1"], duration_seconds=60, idempotency_key="k1") == first
    with pytest.raises(NotGranted, match="account:1 is held by 'ann'"):
        bob.acquire(["account:1"], duration_seconds=60)
    got: dict[str, Lease] = {}
    threads = [ask(got, bob, "account:2", "account:3")]
    await_waiting(ann, "account:3", 1)
    threads.append(ask(got, eve, "account:3"))
    await_waiting(ann, "account:3", 2)
    query = (
        "SELECT resource, holder, token, waiting FROM motet.leases WHERE tenant = %s AND domain = 'order' ORDER BY 1"
    )
    rows = [("account:1", "ann", first.token, 0), ("account:2", "ann", first.token, 1)]
    wait_until(lambda: shared_world.sql(query, (client.tenant,)) == rows, SECONDS, f"SQL shows {rows}")
    query = "SELECT resource, holder, ahead, held_by FROM motet.lease_waits WHERE tenant = %s AND domain = 'order' ORDER BY 2, 1"
    waits = [("account:2", "bob", 1, "ann"), ("account:3", "bob", 0, None), ("account:3", "eve", 1, None)]
    wait_until(lambda: shared_world.sql(query, (client.tenant,)) == waits, SECONDS, f"SQL shows {waits}")
    ann.release(first)
    threads[0].join(SECONDS)
    assert set(got) == {"bob"}
    bob.release(got["bob"])
    threads[1].join(SECONDS)
    assert first.token < got["bob"].token < got["eve"].token
    with pytest.raises(LeaseLost, match="NOT_HELD"):
        ann.renew(first, 60)
    with pytest.raises(BadRequest, match="at most 3600"):
        ann.acquire(["x"], duration_seconds=4_000)
    with pytest.raises(LeaseLost, match="is over"):
        ann.acquire(["account:2", "account:1"], duration_seconds=60, idempotency_key="k1")
    holding = ann.holder("account:3")
    assert holding is not None
    assert (holding.holder, holding.token) == ("eve", got["eve"].token)
    assert ann.holder("account:1") is None


def test_a_killed_service_goes_on_and_time_ends_what_nobody_renews(client: Client, shared_world: World) -> None:
    """A lease outlives the process that granted it; its end and the next grant come while nobody asks for anything."""
    ann, bob = (client.leases.of(scope="killed", holder=name) for name in ("ann", "bob"))
    first = ann.acquire(["a"], duration_seconds=3)
    got: dict[str, Lease] = {}
    thread = ask(got, bob, "a")
    await_waiting(ann, "a", 1)
    shared_world.running["leases"].kill()
    shared_world.leases()
    thread.join(SECONDS)
    assert got["bob"].token > first.token
    mine = [record for record in said(shared_world, client) if record.meta.domain == "killed"]
    events = [record for record in mine if not isinstance(record, HolderTold)]
    assert [type(one).__name__ for one in events] == ["LeasesGranted", "LeasesQueued", "LeasesExpired", "LeasesGranted"]
    over = events[2]
    assert isinstance(over, LeasesExpired)
    assert (over.end, over.due_at / 1000) == ("EXPIRED", first.expires_at)
    assert over.meta.recorded_at >= over.due_at
    with pytest.raises(NotGranted, match="not within 1 s"):
        ann.acquire(["a"], duration_seconds=5, wait_seconds=1)


def test_any_kafka_client_may_ask_and_a_misplaced_command_finds_its_shard(client: Client, shared_world: World) -> None:
    """In a wrong partition, and twice: one grant, and a repeat that says how the lease is."""
    scope = "any"
    command = AcquireLeases("key", client.tenant, scope, "go-service", ("r",), 60.0)
    key = domain_key(client.tenant, scope)
    wrong = (partition_of(key, provision.catalog()[0]) + 1) % provision.catalog()[0]
    producer = shared_world.producer()
    for _ in range(2):
        producer.produce("motet.lease-commands", client.codec.encode("motet.lease-commands", command), key, wrong)
    producer.flush(SECONDS)
    found: list[LeaseEvent] = []

    def answered() -> bool:
        found[:] = [record for record in said(shared_world, client) if record.meta.domain == scope]
        return len(found) == 2

    wait_until(answered, SECONDS, "two answers")
    granted, repeated = found
    assert isinstance(granted, LeasesGranted)
    assert isinstance(repeated, LeaseCommandRepeated)
    assert (repeated.state, repeated.token, repeated.lease_id) == ("HELD", granted.token, granted.lease_id)


def test_a_shell_takes_renews_and_gives_back(client: Client, shared_world: World) -> None:
    """As `docs/leases.md` says it; who leads the clean-up is shown as well."""
    motet = Desk(shared_world, client.codec).motet
    place = ("--tenant", client.tenant, "--scope", "shell")
    mine = (*place, "--as", "ann")
    lease = json.loads(motet("leases", "acquire", "b", "a", "--seconds", "60", *mine, "--json"))
    assert lease["resources"] == ["a", "b"]
    assert "a is held by 'ann'" in motet("leases", "acquire", "a", *place, "--as", "bob", code=2)
    shown = ("leases", "list", "--tenant", client.tenant, "--json")
    wait_until(lambda: "shell" in motet(*shown), SECONDS, "the list shows the lease")
    assert [one["token"] for one in json.loads(motet(*shown)) if one["domain"] == "shell"] == [lease["token"]] * 2
    same = (lease["lease_id"], str(lease["token"]))
    assert f"token {lease['token']} until" in motet("leases", "renew", *same, "--seconds", "90", *mine)
    assert "OTHER_HOLDER" in motet("leases", "release", *same, *place, "--as", "bob", code=2)
    assert "not within 0.2 s" in motet("leases", "wait", "a", "--timeout", "0.2", *place, code=2)
    assert "is released" in motet("leases", "release", *same, *mine)
    assert motet("leases", "wait", "a", *place) == "nobody holds it"
    wait_until(lambda: "clean-lease-commands" in motet("leaders"), SECONDS, "a leader of the clean-up")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "leases.py"), shared_world.addresses.postgres],
        env={**os.environ, **shared_world.addresses.environment(), "PYTHONPATH": str(ROOT / "services")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "held: account:42, account:7",
        "written",
        "held by nobody: True",
        "refused: stale token",
    ], done.stderr


@pytest.mark.last
def test_a_replay_of_its_topics_gives_the_same_bytes_and_the_same_rows(shared_world: World) -> None:
    """Grants, ends by time and tokens: all shards from the first record, byte for byte; and the projections, row by row."""
    shared_world.await_no_lag("leases", "projector")
    assert shared_world.running["leases"].stop() == 0
    addresses = shared_world.addresses
    settings = Settings(
        kafka_bootstrap=addresses.kafka, postgres_url=addresses.postgres, schema_registry_url=addresses.registry
    )
    logs = all_again(shared_world, settings)
    assert sum(len(log.exogenous) for log in logs) >= 2
    assert sum(len(log.published) for log in logs) >= 15
    # The tables know every lease of these tests, and a rebuild knows the same.
    compared = rebuild(settings, lambda _done, _all: None).tables["lease_requests"]
    assert (compared.only_live, compared.only_rebuilt) == (0, 0)
    assert compared.rows_live >= 7


def all_again(world: World, settings: Settings) -> list[ShardLog]:
    """Every shard, run again beside its log; its rows end as the live ones did."""
    declared = service(settings)
    history = reading.read(settings, ["leases"], declared)
    with rerun.run_again(settings, declared, history) as again:
        for number in range(history.partitions):
            compared = again.shard(number)
            assert compared.difference is None, str(compared.difference)
            assert compared.later == 0
            for table in ("scope", "open_lease", "command"):
                query = f"SELECT t::text FROM {{}}.{table} AS t WHERE partition = {number} ORDER BY 1"
                assert world.sql(query.format(again.schema)) == world.sql(query.format("leases")), table
        return again.logs


def said(world: World, client: Client) -> list[LeaseEvent]:
    """What the service published about this test's tenant, repeats left out."""
    records = (client.codec.decode(message.value) for message in world.messages("motet.leases"))
    mine = [one for one in records if isinstance(one, LeaseEvent) and one.meta.tenant == client.tenant]
    return list({record.meta.event_id: record for record in mine}.values())
