"""Dead letters from end to end: a service that could not handle a record is mended, and the record is redriven, or given up.

What breaks a service here is a constraint in its database, which is dropped when "the service is mended".
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

import causality
from desk import INVOCATIONS, SECONDS, TOOLS, Desk, client, desk, repair
from motet.chassis.codec import PREFIX, newest_schemas
from motet.chassis.settings import Settings
from motet.chassis.waiting import wait_until
from motet.client import Call, Client, command
from motet.client.directing import Directing
from motet.projector.rebuild import TableComparison, rebuild
from motet.records import (
    CallsFinished,
    InvokeCalls,
    PlanEnded,
    Repair,
    RepairOrdered,
    SubmitPlan,
)
from world import Process

ROOT: Final = Path(__file__).resolve().parents[2]


__all__ = ["client", "desk"]


# -- a tool service ------------------------------------------------------------------------------------------------------------


def test_a_redriven_record_keeps_its_cause_and_its_place(desk: Desk, client: Client) -> None:
    """As long as the service is broken it fails again and changes nothing; mended, it is as if the record had just come."""
    with desk.tools_broken("tool"):
        plans = desk.deposits(client, "tool", "a")
        letter = desk.letter("tool")
        assert (letter["service"], letter["topic"], letter["parked"]) == (TOOLS, INVOCATIONS, True)
        plans += desk.deposits(client, "tool", "b", "c", "d")
        desk.await_parked("tools_crash_hop", "tool", 3)
        failed = repair(client, letter, reason="perhaps")
        assert failed.outcome == "FAILED_AGAIN"
        assert "CheckViolation" in failed.failure
        desk.await_row(letter, state="FAILED_AGAIN", repair_reason="perhaps", released=0, failure=failed.failure)
        assert desk.entries("tool") == []
        assert desk.parked("tools_crash_hop", "tool") == 3
    done = repair(client, letter, reason="mended")
    assert (done.outcome, done.released, done.failure) == ("REDRIVEN", 3, None)
    assert [plan.future.result(SECONDS).status for plan in plans] == ["SUCCEEDED"] * 4
    assert desk.entries("tool") == ["tool-a", "tool-b", "tool-c", "tool-d"]
    desk.await_row(letter, state="REDRIVEN", repaired_by="python", repair_reason="mended", released=3, failure=None)
    assert desk.parked("tools_crash_hop", "tool") == 0
    # The result's cause is the invocation, as if nothing had happened; the repair's is the order.
    (source,) = [one for one in desk.records(INVOCATIONS, InvokeCalls) if one.plan_id == plans[0].plan_id]
    results = [one for one in desk.records("motet.results", CallsFinished) if one.plan_id == plans[0].plan_id]
    assert {one.meta.causation_id for one in results} == {source.meta.event_id}
    # The log's time never goes back: it is decided at the time of the repair.
    assert {one.meta.recorded_at for one in results} == {done.record.meta.recorded_at}
    ordered = {one.meta.event_id: one for one in desk.records("motet.repairs", Repair)}
    assert ordered[done.record.meta.causation_id].dead_letter_id == letter["event_id"]
    # A second time there is nothing to repair.
    assert repair(client, letter).outcome == "NOT_FOUND"


def test_two_at_once_are_one_and_a_stranger_finds_nothing(desk: Desk, client: Client) -> None:
    """Of two redrives one does it; another tenant's client, and one that names the wrong service, change nothing."""
    with desk.tools_broken("twice"):
        (plan,) = desk.deposits(client, "twice", "a")
        letter = desk.letter("twice")
    with Client(desk.world.addresses.kafka, desk.world.addresses.registry, tenant="stranger") as stranger:
        assert repair(stranger, letter).outcome == "NOT_FOUND"
        assert repair(stranger, letter, "discard").outcome == "NOT_FOUND"
    assert repair(client, letter | {"service": "tools-fault!"}).outcome == "REFUSED"
    assert "UNKNOWN_SERVICE" in repair(client, letter | {"service": "nobody"}).failure
    assert "UNKNOWN_SHARD" in repair(client, letter | {"partition": 99}).failure
    assert "BAD_IDENTIFIER" in repair(client, letter | {"event_id": "x"}).failure
    assert repair(client, letter | {"service": "projector"}).outcome == "NOT_FOUND"
    silent = Directing(client, 1.0).repair(letter["event_id"], "tools-nobody", 0, "redrive")
    assert silent.outcome == "NO_ANSWER"
    assert "tools-nobody" in (silent.failure or "")
    desk.await_row(letter, state="OPEN")
    with desk.world.client("elsewhere") as other, ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda one: repair(one, letter), (client, other)))
    assert sorted(one.outcome for one in ends) == ["NOT_FOUND", "REDRIVEN"]
    assert plan.wait(SECONDS).status == "SUCCEEDED"
    assert desk.entries("twice") == ["twice-a"]


def test_discarded_what_waited_goes_on(desk: Desk, client: Client) -> None:
    """The record is not handled; those behind it are, in order. An operator may do it for anybody."""
    with desk.tools_broken("given-up"):
        desk.deposits(client, "given-up", "a")
        letter = desk.letter("given-up")
        plans = desk.deposits(client, "given-up", "b", "c")
        desk.await_parked("tools_crash_hop", "given-up", 2)
    with Client(desk.world.addresses.kafka, desk.world.addresses.registry, tenant="motet", agent="ann") as operator:
        done = repair(operator, letter, "discard", "the customer has left")
    assert (done.outcome, done.released) == ("DISCARDED", 2)
    assert [plan.wait(SECONDS).status for plan in plans] == ["SUCCEEDED"] * 2
    assert desk.entries("given-up") == ["given-up-b", "given-up-c"]
    desk.await_row(letter, state="DISCARDED", repaired_by="ann", repair_reason="the customer has left")


def test_killed_in_the_middle_of_a_repair(desk: Desk, client: Client) -> None:
    """Before the commit it is done again, behind it it is published again: one effect, one outcome."""
    with desk.tools_broken("killed"):
        plans = desk.deposits(client, "killed", "a")
        letter = desk.letter("killed")
        plans += desk.deposits(client, "killed", "b")
        desk.await_parked("tools_crash_hop", "killed", 1)
    host = desk.world.running["tools-crash_tools"]
    assert host.stop() == 0
    with ThreadPoolExecutor(1) as pool:
        victim = start_tools(desk, "decided:1")
        end = pool.submit(repair, client, letter)
        assert victim.await_end(SECONDS) == -9, victim.said()[-2000:]
        assert desk.entries("killed") == []
        victim = start_tools(desk, "committed:1")
        assert victim.await_end(SECONDS) == -9, victim.said()[-2000:]
        assert desk.entries("killed") == ["killed-a", "killed-b"]
        desk.world.tools("crash_tools")
        assert end.result(SECONDS).outcome == "REDRIVEN"
    assert [plan.wait(SECONDS).status for plan in plans] == ["SUCCEEDED"] * 2
    assert desk.entries("killed") == ["killed-a", "killed-b"]
    assert [one.outcome for one in desk.outcomes(letter)] == ["REDRIVEN"]


def start_tools(desk: Desk, crash_at: str) -> Process:
    """The tool service, which is going to die at a point, perhaps while it starts."""
    return desk.world.tools("crash_tools", MOTET_CRASH_AT=crash_at)


# -- the coordinator and the door ----------------------------------------------------------------------------------------------


def test_a_letter_of_the_coordinator(desk: Desk, client: Client) -> None:
    """A result that it could not take parks the domain: commands wait, but not the one that repairs. Bad ones among them harm nobody."""
    key = f"{desk.world.tenant}/coordinator"
    ended = PlanEnded.FULL_NAME
    with desk.broken("coordinator.outbox", f"type = '{ended}' AND aggregateid = '{key}'"):
        plans = desk.deposits(client, "coordinator", "a")
        letter = desk.letter("coordinator", topic="motet.results")
        assert letter["service"] == "coordinator"
        plans += desk.deposits(client, "coordinator", "b")
        desk.produce("coordinator", b"\0\0\0\0\1noise")
        plans += desk.deposits(client, "coordinator", "c")
        desk.await_parked("coordinator", "coordinator", 3)
    # From the very domain that is parked.
    with desk.world.client("coordinator") as inside:
        done = repair(inside, letter)
    assert (done.outcome, done.released) == ("REDRIVEN", 2)
    assert "motet.commands" in done.failure
    assert [plan.wait(SECONDS).status for plan in plans] == ["SUCCEEDED"] * 3
    # What followed from the result names it, as if nothing had happened.
    (result,) = [one for one in desk.records("motet.results", CallsFinished) if one.plan_id == plans[0].plan_id]
    (terminal,) = [one for one in desk.records("motet.events", PlanEnded) if one.plan_id == plans[0].plan_id]
    assert terminal.meta.causation_id == result.meta.event_id
    noise = desk.letter("coordinator", code="BROKEN_AVRO")
    assert noise["event_id"] in done.failure
    assert not noise["parked"]
    assert repair(client, noise, "discard").outcome == "DISCARDED"
    # The fact that answered the order is the one that its repeat is told.
    orders = [one.record for one in desk.world.events() if isinstance(one.record, RepairOrdered)]
    mine = next(one for one in orders if one.dead_letter_id == letter["event_id"])
    rows = desk.world.sql("SELECT status FROM coordinator.command WHERE terminal_event_id = %s", (mine.meta.event_id,))
    assert rows == [("ENDED",)]


def test_a_bad_command_fails_again_until_its_schema_is_known(desk: Desk, client: Client) -> None:
    """A door's letter parks nothing; redriven it fails with the reason, and once the registry knows the schema it is a plan."""
    registry = SchemaRegistryClient({"url": desk.world.addresses.registry})
    plan = command(
        [Call("crash.deposit", {"account": "door-a", "amount": 1})],
        tenant=desk.world.tenant,
        domain="door",
        agent="tester",
    )
    schema = json.loads(newest_schemas()[SubmitPlan.FULL_NAME])

    def register(doc: str) -> int:
        text = json.dumps(schema | {"doc": doc})
        return int(registry.register_schema(f"test-{desk.world.tenant}-{doc}", Schema(text, "AVRO")))

    due = register("before") + 1
    value = desk.codec.encode("motet.commands", plan)
    desk.produce("door", PREFIX.pack(0, due) + value[PREFIX.size :])
    letter = desk.letter("door", code="UNKNOWN_SCHEMA")
    assert (letter["service"], letter["parked"]) == ("coordinator", False)
    failed = repair(client, letter)
    assert failed.outcome == "FAILED_AGAIN"
    assert f"the registry knows no schema {due}" in failed.failure
    assert register("due") == due
    registry.close()
    # The coordinator asks for an unknown id only now and then.
    assert desk.world.running["coordinator"].stop() == 0
    desk.world.coordinator()
    assert repair(client, letter).outcome == "REDRIVEN"
    wait_until(lambda: desk.entries("door") == ["door-a"], SECONDS, "the plan has run")
    events = [one.record for one in desk.world.events() if one.type.endswith("PlanAdmitted")]
    (topic, partition, offset) = next(one for one in events if one.meta.domain == "door").meta.causation_id.split(":")
    assert (topic, int(partition)) == (letter["topic"], letter["partition"])
    assert int(offset) > letter["offset"], "it knocked once more: its place in the order is there"


# -- the projector -------------------------------------------------------------------------------------------------------------


def test_a_letter_of_the_projector(desk: Desk, client: Client) -> None:
    """Its own letters are in SQL although their key is parked; redriven, the rows are as if nothing had happened."""
    with desk.broken("motet.plans", f"tenant = '{desk.world.tenant}' AND domain = 'projector'"):
        (plan,) = desk.deposits(client, "projector", "a")
        assert plan.wait(SECONDS).status == "SUCCEEDED"
        letter = desk.letter("projector")
        assert (letter["service"], letter["topic"]) == ("projector", "motet.events")
        desk.await_parked("projector", "projector", 3)
    query = "SELECT status FROM motet.plans WHERE plan_id = %s"
    assert desk.world.sql(query, (plan.plan_id,)) == []
    done = repair(client, letter)
    assert (done.outcome, done.released) == ("REDRIVEN", 3)
    assert desk.world.sql(query, (plan.plan_id,)) == [("SUCCEEDED",)]
    desk.await_row(letter, state="REDRIVEN", released=3)


def differences(settings: Settings) -> dict[str, TableComparison]:
    """The tables that are others once they are built again."""
    tables = rebuild(settings, lambda *_: None).tables
    return {name: one for name, one in tables.items() if one.only_live or one.only_rebuilt}


def test_a_rebuild_is_without_what_was_given_up(desk: Desk, client: Client, settings: Settings) -> None:
    """A discarded letter of the projector, one that is open with what waits behind it: the tables built again lack them too."""
    tenant = desk.world.tenant
    with desk.broken(
        "motet.lineage", f"tenant = '{tenant}' AND domain IN ('lost', 'open') AND type = 'CallsCommitted'"
    ):
        plans = [*desk.deposits(client, "lost", "a"), *desk.deposits(client, "open", "b")]
        assert {plan.wait(SECONDS).status for plan in plans} == {"SUCCEEDED"}
        letters = {domain: desk.letter(domain) for domain in ("lost", "open")}
        desk.await_parked("projector", "open", 1)
    assert repair(client, letters["lost"], "discard").outcome == "DISCARDED"
    query = (
        "SELECT domain, p.status, c.status FROM motet.plans AS p JOIN motet.calls AS c USING (plan_id, tenant, domain) "
        "WHERE tenant = %s AND domain IN ('lost', 'open') ORDER BY domain"
    )
    before = [("lost", "SUCCEEDED", "STARTED"), ("open", "OPEN", "STARTED")]
    assert desk.world.sql(query, (tenant,)) == before
    assert differences(settings) == {}
    assert desk.world.sql(query, (tenant,)) == before
    assert repair(client, letters["open"]).outcome == "REDRIVEN"
    assert differences(settings) == {}
    assert desk.world.sql(query, (tenant,)) == [before[0], ("open", "SUCCEEDED", "SUCCEEDED")]


def test_a_second_letter_behind_the_first(desk: Desk, client: Client) -> None:
    """A record that waited and cannot be handled either becomes a dead letter itself, and what stands behind it waits on."""
    # First the plan's admission cannot be projected; once that is mended, its call's end cannot.
    tenant = desk.world.tenant
    with desk.broken("motet.lineage", f"tenant = '{tenant}' AND domain = 'second' AND type = 'CallsCommitted'"):
        with desk.broken("motet.plans", f"tenant = '{tenant}' AND domain = 'second'"):
            (plan,) = desk.deposits(client, "second", "a")
            assert plan.wait(SECONDS).status == "SUCCEEDED"
            first = desk.letter("second")
            desk.await_parked("projector", "second", 3)
        done = repair(client, first)
        assert (done.outcome, done.released) == ("REDRIVEN", 1)
        desk.await_row(first, state="REDRIVEN")
        second = desk.letter("second")
        assert second["event_id"] in done.failure
        assert second["parked"]
        desk.await_parked("projector", "second", 1)
        assert repair(client, second).outcome == "FAILED_AGAIN"
        desk.await_parked("projector", "second", 1)
    query = "SELECT status FROM motet.plans WHERE plan_id = %s"
    assert desk.world.sql(query, (plan.plan_id,)) == [("OPEN",)]
    done = repair(client, second)
    assert (done.outcome, done.released) == ("REDRIVEN", 1)
    assert desk.world.sql(query, (plan.plan_id,)) == [("SUCCEEDED",)]


@pytest.mark.last
def test_repairs_keep_the_order_of_causes(desk: Desk) -> None:
    """Dead letters, orders to repair, what follows from a record that waited: each is later than its cause by their hybrid clocks."""
    topics = {"motet.events", "motet.results", "motet.repairs", "motet.dead-letters", "motet.contracts", INVOCATIONS}
    found = causality.check(desk.world, desk.codec, topics)
    wanted = {
        ("InvokeCalls", "DeadLetter"),
        ("Repair", "DeadLetterRepaired"),
        ("InvokeCalls", "CallsFinished"),
        ("PlanAdmitted", "DeadLetter"),
    }
    assert wanted - found.keys() == set()
