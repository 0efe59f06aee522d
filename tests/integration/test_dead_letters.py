"""Dead letters from end to end: a service that could not handle a record is mended, and the record is redriven, or given up.

What breaks a service here is a constraint in its database, which is dropped when "the service is mended".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from motet.chassis.codec import PREFIX, Codec, newest_schemas
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.registry import Registry
from motet.chassis.waiting import wait_until
from motet.cli import main
from motet.client import Call, Client, Submitted, command
from motet.client.directing import Directing
from motet.records import (
    CallsFinished,
    DeadLetterRepaired,
    InvokeCalls,
    Meta,
    PlanEnded,
    Repair,
    RepairOrdered,
    SubmitPlan,
)
from world import Process, World

ROOT: Final = Path(__file__).resolve().parents[2]
SECONDS: Final = 60.0
TOPIC: Final = "motet.dead-letters"
T = TypeVar("T")
TOOLS: Final = "tools-crash"
INVOCATIONS: Final = "motet.invocations.crash"


@dataclass
class Desk:
    """A running Motet, and what a person finds out about its dead letters."""

    world: World
    codec: Codec

    def letter(self, domain: str, code: str = "HANDLING_FAILED", topic: str = "") -> dict[str, Any]:
        """The dead letter about a record of a domain, once SQL has it."""
        found: list[tuple[Any, ...]] = []
        names = ("event_id", "service", "topic", "partition", "offset", "parked", "state", "reason", "code")
        listed = ", ".join(f'"{name}"' for name in names)

        def there() -> bool:
            found[:] = self.world.sql(
                f"SELECT {listed} FROM motet.dead_letters WHERE key = %s AND code = %s AND topic LIKE %s "
                "AND state IN ('OPEN', 'FAILED_AGAIN')",
                (domain_key(self.world.tenant, domain), code, f"%{topic}%"),
            )
            return bool(found)

        wait_until(there, SECONDS, f"a dead letter {code} of {domain}")
        (one,) = found
        return dict(zip(names, one, strict=True))

    def await_row(self, letter: dict[str, Any], **columns: Any) -> None:
        """Waits until SQL says so of a dead letter."""
        query = f"SELECT {', '.join(columns)} FROM motet.dead_letters WHERE event_id = %s"
        wait_until(
            lambda: self.world.sql(query, (letter["event_id"],)) == [tuple(columns.values())],
            SECONDS,
            f"{columns} of {letter}",
        )

    def records(self, topic: str, kind: type[T]) -> list[T]:
        """What Kafka has of a kind on a topic."""
        decoded = (self.codec.decode(message.value) for message in self.world.messages(topic))
        return [one for one in decoded if isinstance(one, kind)]

    def outcomes(self, letter: dict[str, Any]) -> list[DeadLetterRepaired]:
        """What Kafka has of a dead letter's repairs, repeats left out."""
        found = [one for one in self.records(TOPIC, DeadLetterRepaired) if one.dead_letter_id == letter["event_id"]]
        return list({one.meta.event_id: one for one in found}.values())

    def parked(self, schema: str, domain: str) -> int:
        """How many records wait behind a domain's dead letter."""
        query = f"SELECT count(*) FROM {schema}.parked_record WHERE key = %s"
        ((count,),) = self.world.sql(query, (domain_key(self.world.tenant, domain),))
        return int(count)

    def await_parked(self, schema: str, domain: str, count: int) -> None:
        """Waits until so many do."""
        wait_until(
            lambda: self.parked(schema, domain) == count, SECONDS, f"{count} records of {domain} wait in {schema}"
        )

    @contextmanager
    def broken(self, table: str, check: str) -> Iterator[None]:
        """A service cannot write some rows, until it is mended."""
        name = f"broken_{os.urandom(4).hex()}"
        self.change(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (NOT ({check})) NOT VALID")
        try:
            yield
        finally:
            self.change(f"ALTER TABLE {table} DROP CONSTRAINT {name}")

    def change(self, statement: str) -> None:
        """Changes a service's database."""
        with psycopg.connect(self.world.addresses.postgres) as connection:
            connection.execute(statement.encode())

    def tools_broken(self, domain: str) -> Any:
        """The tool service can neither run nor refuse calls of a domain."""
        key = f"{self.world.tenant}/{domain}"
        return self.broken("tools_crash_hop.outbox", f"type = '{CallsFinished.FULL_NAME}' AND aggregateid = '{key}'")

    def deposits(self, client: Client, domain: str, *accounts: str) -> list[Submitted]:
        """One plan an account, in this order."""
        made = []
        for account in accounts:
            made.append(
                client.submit([Call("crash.deposit", {"account": f"{domain}-{account}", "amount": 1})], domain=domain)
            )
            client.flush()
        return made

    def entries(self, domain: str) -> list[str]:
        """The accounts of the deposits that happened, in the order in which they did."""
        query = "SELECT account FROM tools_crash.entry WHERE tenant = %s AND account LIKE %s ORDER BY ctid"
        return [account for (account,) in self.world.sql(query, (self.world.tenant, f"{domain}-%"))]

    def motet(self, *arguments: str, code: int = 0) -> str:
        """Runs a command as `motet` does and returns what it printed, in one line unless it is JSON."""
        out = StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out):
            for name, value in self.world.addresses.environment().items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["motet", *arguments])
            with pytest.raises(SystemExit) as end:
                main()
        said = out.getvalue()
        assert end.value.code == code, f"{arguments} exited with {end.value.code}:\n{said}"
        return said if "--json" in arguments else " ".join(said.split())

    def environment(self) -> dict[str, str]:
        """What a person's shell has."""
        return {**os.environ, **self.world.addresses.environment(), "PYTHONPATH": str(ROOT / "services")}

    def produce(self, domain: str, value: bytes) -> None:
        """Anybody puts something on the door."""
        producer = self.world.producer(partitioner="murmur2_random")
        producer.produce("motet.commands", value, domain_key(self.world.tenant, domain))
        producer.flush(SECONDS)


@pytest.fixture(scope="module")
def desk(shared_world: World) -> Iterator[Desk]:
    """Coordinator, projector and a tool service; all of them still run after the last test."""
    shared_world.coordinator()
    shared_world.projector()
    shared_world.tools("crash_tools")
    registry = Registry(shared_world.addresses.registry)
    with shared_world.client() as client:
        assert client.run([Call("crash.deposit", {"account": "warm", "amount": 1})]).status == "SUCCEEDED"
    yield Desk(shared_world, Codec(registry))
    registry.close()
    assert {name: process.child.poll() for name, process in shared_world.running.items()} == {
        "coordinator": None,
        "projector": None,
        "tools-crash_tools": None,
    }


@pytest.fixture
def client(desk: Desk) -> Iterator[Client]:
    """A client."""
    with desk.world.client() as made:
        yield made


def repair(client: Client, letter: dict[str, Any], action: Any = "redrive", reason: str = "") -> Any:
    """Has a letter repaired, and waits for the outcome."""
    return client.direct.repair(letter["event_id"], letter["service"], letter["partition"], action, reason)


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
    place = f"{letter['topic']}:{letter['partition']}:{letter['offset']}"
    wait_until(lambda: desk.entries("door") == ["door-a"], SECONDS, "the plan has run")
    causes = {one.record.meta.causation_id for one in desk.world.events() if one.type.endswith("PlanAdmitted")}
    assert place in causes


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


# -- the command line ----------------------------------------------------------------------------------------------------------


def test_the_command_line(desk: Desk, client: Client) -> None:
    """List, show, dry run, redrive and discard, for people and for programs."""
    with desk.tools_broken("shell"):
        plans = desk.deposits(client, "shell", "a")
        letter = desk.letter("shell")
        plans += desk.deposits(client, "shell", "b")
        desk.await_parked("tools_crash_hop", "shell", 1)
        mine = ("--key", f"{desk.world.tenant}/shell")
        listed = json.loads(desk.motet("dead-letters", "list", *mine, "--since", "1h", "--json"))
        assert [one["event_id"] for one in listed] == [letter["event_id"]]
        assert letter["event_id"][:12] in desk.motet("dead-letters", "list", *mine, "--tenant", desk.world.tenant)
        assert "no dead letters" in desk.motet("dead-letters", "list", *mine, "--tenant", "stranger")
        assert "no dead letters" in desk.motet("dead-letters", "list", *mine, "--state", "discarded")
        shown = desk.motet("dead-letters", "show", letter["event_id"][:10])
        for told in (
            " ".join(letter["reason"].split())[:60],
            "motet.invocations.InvokeCalls",
            "shell-a",
            "1 later records",
            "redrive",
        ):
            assert told in shown
        dry = desk.motet("dead-letters", "redrive", *mine, "--dry-run")
        assert "would redrive 1; nothing was changed" in dry
        assert "InvokeCalls" in dry
        assert json.loads(desk.motet("dead-letters", "discard", *mine, "--dry-run", "--json"))["dry_run"]
        assert desk.outcomes(letter) == []
        said = desk.motet("dead-letters", "redrive", letter["event_id"][:8], code=1)
        assert "FAILED_AGAIN" in said
        assert "CheckViolation" in said
    told = json.loads(desk.motet("dead-letters", "redrive", *mine, "--reason", "mended", "--as", "ann", "--json"))
    assert [(one["outcome"], one["released"]) for one in told["dead_letters"]] == [("REDRIVEN", 1)]
    assert [plan.wait(SECONDS).status for plan in plans] == ["SUCCEEDED"] * 2
    desk.await_row(letter, state="REDRIVEN", repaired_by="ann", repair_reason="mended")
    assert "NOT_FOUND" in desk.motet("dead-letters", "redrive", letter["event_id"], code=1)
    assert "nothing is left to do" in desk.motet("dead-letters", "show", letter["event_id"])
    assert "no dead letter matches" in desk.motet("dead-letters", "discard", *mine)


def test_many_at_once_and_on_no_lane(desk: Desk) -> None:
    """By filter, a bounded number at once, the oldest first; a forged record can only be discarded."""
    key = domain_key(desk.world.tenant, "forged")
    meta = Meta(os.urandom(16).hex(), "c", "c", desk.world.tenant, "forged", 1, 1, None)
    value = desk.codec.encode(
        "motet.events", RepairOrdered(meta, "", "0" * 32, "projector", 0, "DISCARD", "forger", "")
    )
    producer = desk.world.producer()
    for _ in range(3):
        producer.produce("motet.events", value, key, partition_of(key, 4))
    producer.flush(SECONDS)
    mine = ("--code", "NOT_ON_A_LANE", "--tenant", desk.world.tenant)

    def listed() -> list[Any]:
        return list(json.loads(desk.motet("dead-letters", "list", *mine, "--json")))

    wait_until(lambda: len(listed()) == 3, SECONDS, "three letters")
    assert "will fail again" in desk.motet("dead-letters", "redrive", *mine, "--dry-run")
    assert "FAILED_AGAIN" in desk.motet("dead-letters", "redrive", *mine, "--limit", "1", code=1)
    desk.world.await_no_lag("projector")
    tried = [one["event_id"] for one in listed() if one["state"] == "FAILED_AGAIN"]
    said = desk.motet("dead-letters", "discard", *mine, "--limit", "2")
    assert "2 of 2 discarded; 1 more match: run it again" in said
    desk.world.await_no_lag("projector")
    assert [one["event_id"] for one in listed()] == tried
    assert "1 of 1 discarded" in desk.motet("dead-letters", "discard", *mine)


def test_what_a_person_did_wrong_is_one_line(desk: Desk) -> None:
    """Nothing is done to everything by mistake."""
    for arguments, told in (
        (("redrive",), "say which"),
        (("discard", "--all", "--code", "NO_KEY"), "one of the three"),
        (("redrive", "abcd", "--service", "projector"), "one of the three"),
        (("show", "xyz"), "'xyz' is no dead letter's id"),
        (("discard", "0" * 32), "there is no dead letter"),
        (("list", "--since", "yesterday"), "--since 'yesterday'"),
        (("list", "--state", "lost"), "--state 'LOST'"),
    ):
        said = desk.motet("dead-letters", *arguments, code=2)
        assert told in said
        assert "Traceback" not in said


def test_the_example(desk: Desk) -> None:
    """A broken record on the door is found over SQL and discarded, in plain Python."""
    said = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "dead_letters.py"), *addresses(desk)],
        env=desk.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    ).stdout
    assert "NOT_AVRO" in said
    assert "FAILED_AGAIN" in said
    assert said.splitlines()[-1].startswith("DISCARDED")


def addresses(desk: Desk) -> tuple[str, ...]:
    """What the example takes."""
    return (desk.world.addresses.postgres,)
