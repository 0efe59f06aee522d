"""An operator's desk: services that break and are mended, and what became of their dead letters."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
import pytest

from motet.chassis.codec import Codec
from motet.chassis.identity import domain_key
from motet.chassis.registry import Registry
from motet.chassis.waiting import wait_until
from motet.cli import main
from motet.client import Call, Client, Submitted
from motet.records import (
    CallsFinished,
    DeadLetterRepaired,
)
from world import World

ROOT: Final = Path(__file__).resolve().parents[1]
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
