"""Plans that take leases, on real servers: two domains and one printer, services that are killed, a tool host that is paused for too long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from motet.chaos.witness import Witness
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.waiting import wait_until
from motet.client import Call, Client, PlanLeases
from world import World

SECONDS: Final = 40.0
PARTITIONS: Final = 4
EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def client(shared_world: World) -> Iterator[Client]:
    """A client; all services run."""
    starts = shared_world.coordinator, shared_world.leases, shared_world.projector
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda start: start(), (*starts, partial(shared_world.tools, "leased_tools"))))
    with shared_world.client("first") as made:
        yield made


def domains(client: Client) -> list[str]:
    """A domain in each partition."""
    names = [f"d{number}" for number in range(100)]
    place = {partition_of(domain_key(client.tenant, name), PARTITIONS): name for name in names}
    return [place[number] for number in range(PARTITIONS)]


def uses(witness: Witness) -> list[tuple[str, list[Any]]]:
    """What the witness heard, in its order: in or out; lease, plan and token."""
    return [(line["path"].rpartition("/")[2], line["body"]) for line in witness.requests()]


def test_plans_of_two_domains_never_use_one_printer_at_once(
    client: Client, shared_world: World, witness: Witness
) -> None:
    """While coordinator and lease service are killed in the midst of it; tokens rise, every plan ends well, and all is given back."""
    places = domains(client)[:2]
    call = Call("press.print_page", {"name": "hall", "url": witness.url})
    asked = [client.submit([call, Call("press.sit", {"name": "a"})], domain=places[at % 2]) for at in range(8)]
    witness.await_requests(3)
    for name, start in (("leases", shared_world.leases), ("coordinator", shared_world.coordinator)):
        shared_world.running[name].kill()
        start()
    assert {one.wait(SECONDS).status for one in asked} == {"SUCCEEDED"}
    heard = uses(witness)
    assert [what for what, _ in heard] == ["in", "out"] * len(asked)
    assert [one for _, one in heard[::2]] == [one for _, one in heard[1::2]]
    tokens = [token for _, (_, _, token) in heard[::2]]
    assert tokens == sorted(set(tokens))
    assert {plan for _, (_, plan, _) in heard} == {one.plan_id for one in asked}
    query = "SELECT count(*) FROM motet.lease_requests WHERE plan_id = ANY(%s) AND state = 'RELEASED'"
    plans = [one.plan_id for one in asked]
    wait_until(lambda: shared_world.sql(query, (plans,)) == [(len(plans),)], SECONDS, "all leases are given back")


def test_who_waits_for_a_lease_and_who_is_before_it(client: Client, shared_world: World, witness: Witness) -> None:
    """The plan holds nothing meanwhile; the same plan has the same history, whatever it waited for."""
    holder = client.leases.of(scope="shared", holder="caretaker")
    held = holder.acquire(["printer:cellar"], duration_seconds=60)
    calls = [Call("press.print_page", {"name": "cellar", "url": witness.url}), Call("press.sit", {"name": "b"})]
    waits = client.submit(calls)
    query = "SELECT index, reason, what FROM motet.why_waiting WHERE plan_id = %s AND what LIKE '%%caretaker' ORDER BY index"
    said = "shared/printer:cellar held by caretaker"
    expected = [(0, "LEASE", said), (1, "LEASE", said)]
    wait_until(lambda: shared_world.sql(query, (waits.plan_id,)) == expected, SECONDS, "SQL says why")
    shown = "SELECT holder, resource, held_by FROM motet.lease_waits WHERE plan_id = %s"
    assert shared_world.sql(shown, (waits.plan_id,)) == [(f"plan:{waits.plan_id}", "printer:cellar", "caretaker")]
    states = "SELECT state FROM motet.resources WHERE plan_id = %s"
    assert shared_world.sql(states, (waits.plan_id,)) == [("AWAITS_LEASE",)]
    # It is in nobody's way.
    assert client.run([Call("press.sit", {"name": "b"})]).status == "SUCCEEDED"
    holder.release(held)
    ended = waits.wait(SECONDS)
    again = client.run(calls, leases=PlanLeases(seconds=30, wait_seconds=30))
    assert (ended.status, again.status) == ("SUCCEEDED", "SUCCEEDED")
    assert ended.history_sha256 == again.history_sha256
    # A plan's leases are its own: nobody gives them back in its name.
    kept = client.submit(calls, leases=PlanLeases(["shared/key"]))
    assert kept.wait(SECONDS).status == "SUCCEEDED"


def test_without_the_lease_service_only_plans_with_leases_wait(
    client: Client, shared_world: World, witness: Witness
) -> None:
    """For so long as they say; others do not notice."""
    shared_world.running["leases"].stop()
    call = Call("press.print_page", {"name": "hall", "url": witness.url})
    late = client.submit([call], leases=PlanLeases(wait_seconds=1))
    waits = client.submit([call])
    assert client.run([Call("press.sit", {"name": "c"})]).status == "SUCCEEDED"
    (one,) = late.wait(SECONDS).results
    assert (one.error_code, one.error_message) == ("DEADLINE_EXCEEDED", "it did not get its leases within 1 s")
    query = "SELECT reason, what, behind_plan FROM motet.why_waiting WHERE plan_id = %s"
    shown = [("LEASE", "shared/printer:hall", None)]
    wait_until(lambda: shared_world.sql(query, (waits.plan_id,)) == shown, SECONDS, "SQL says why")
    shared_world.leases()
    assert waits.wait(SECONDS).status == "SUCCEEDED"


@pytest.mark.usefixtures("client")
def test_the_example_of_the_page(shared_world: World) -> None:
    """Two domains, a caretaker, and a plan that does not wait for so long."""
    shared_world.tools(str(EXAMPLES / "printer_tools.py"))
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "printing.py")],
        env={**os.environ, **shared_world.addresses.environment(), "PYTHONPATH": str(EXAMPLES.parent / "services")},
        capture_output=True,
        text=True,
        check=False,
    )
    said = ["not in time: FAILED DEADLINE_EXCEEDED", "printed: SUCCEEDED SUCCEEDED", "with a key: SUCCEEDED"]
    assert done.stdout.splitlines() == said, done.stderr


def test_a_tool_host_that_was_paused_for_longer_than_the_lease_is_refused(client: Client, shared_world: World) -> None:
    """SIGSTOP, the lease runs out, another domain's plan writes; SIGCONT: the late effect is not there, and its call says why."""
    shared_world.start("tools-second", "tools", "serve", "leased_tools", MOTET_REPLICA="1")
    process_of: dict[int, str] = {}

    def apart() -> bool:
        for domain in domains(client):
            process_of[int(client.run([Call("press.sit", {"name": "d"})], domain=domain).results[0].value)] = domain
        return len(process_of) == 2

    wait_until(apart, SECONDS, "two processes have calls")
    paused, other = sorted(process_of)
    try:
        os.kill(paused, signal.SIGSTOP)
        first = client.submit([Call("press.enter")], domain=process_of[paused])
        ledger = client.leases.of(scope="shared", holder="auditor")
        wait_until(lambda: ledger.holder("ledger") is not None, SECONDS, "the first plan has its lease")
        second = client.submit([Call("press.enter")], domain=process_of[other])
        assert second.wait(SECONDS).status == "SUCCEEDED"
    finally:
        os.kill(paused, signal.SIGCONT)
    (one,) = first.wait(SECONDS).results
    assert (one.status, one.error_code) == ("FAILED", "STALE_TOKEN")
    assert "stale token" in str(one.error_message)
    assert shared_world.sql("SELECT plan_id FROM tools_press.line") == [(second.plan_id,)]
