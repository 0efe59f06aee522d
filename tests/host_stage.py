"""A running Motet with the tools of `host_tools`, as many hosts of them as a test wants, and a forger of invocations."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from motet.chaos.witness import Witness
from motet.chassis import lanes
from motet.chassis.codec import Codec
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.registry import Registry
from motet.chassis.waiting import wait_until
from motet.client import Client
from motet.platform import Addresses
from motet.records import CallsFinished, FinishedCall, Invocation, InvokeCalls, Meta, StopCalls
from world import Process, World

SECONDS: Final = 60.0
INVOCATIONS: Final = "motet.invocations.host"
PARTITIONS: Final = 4


@dataclass
class HostStage:
    """Coordinator, projector, witness; hosts come and go."""

    world: World
    witness: Witness
    client: Client = field(init=False)
    hosts: dict[str, Process] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world.coordinator(MOTET_ANSWER_SECONDS="5")
        self.world.projector()
        self.client = self.world.client()

    def host(self, **settings: str) -> Process:
        """The one host, with these settings: the one that runs, if it has them."""
        running = self.hosts.get("host-0")
        if len(self.hosts) == 1 and running is not None and running.child.poll() is None and self.settings == settings:
            return running
        self.stop_hosts()
        self.settings = settings
        return self.another(0, **settings)

    def another(self, replica: int, **settings: str) -> Process:
        """One more host."""
        name = f"host-{replica}"
        given = {"MOTET_SESSION_TIMEOUT_MS": "3000", "MOTET_REPLICA": str(replica), "WITNESS_URL": self.witness.url}
        self.hosts[name] = self.world.start(name, "tools", "serve", "host_tools", **{**given, **settings})
        assert self.hosts[name].child.poll() is None, self.hosts[name].said()[-2000:]
        known = "SELECT count(DISTINCT partition) FROM coordinator.contract WHERE name = 'host.echo'"
        wait_until(lambda: self.world.sql(known) == [(PARTITIONS,)], SECONDS, "the coordinator knows the tools")
        return self.hosts[name]

    def stop_hosts(self) -> None:
        """Ends every host, in order if it can."""
        for process in self.hosts.values():
            if process.child.poll() is None:
                assert process.stop() == 0, process.said()[-2000:]
        self.hosts.clear()

    # -- what SQL shows --------------------------------------------------------------------------------------------------------

    def call(self, plan_id: str, index: int = 0) -> dict[str, Any]:
        """A call as SQL shows it; empty while it is not there."""
        names = ("status", "in_doubt", "late_outcome", "late_error", "error_code", "attempt", "key", "progress")
        query = f"SELECT {', '.join(names)} FROM motet.calls WHERE plan_id = %s AND index = %s"
        rows = self.world.sql(query, (plan_id, index))
        return dict(zip(names, rows[0], strict=True)) if rows else {}

    def await_call(self, plan_id: str, what: str, is_so: Callable[[dict[str, Any]], bool], index: int = 0) -> None:
        """Waits until SQL says so of a call."""
        wait_until(lambda: is_so(self.call(plan_id, index)), SECONDS, f"{what}: {self.call(plan_id, index)}")

    def intents(self, plan_id: str) -> dict[int, tuple[int, int, int, bool]]:
        """A plan's intents by call: owner, token, milliseconds until the deadline, whether it was stopped."""
        rows = self.world.sql(
            "SELECT index, owner, token, deadline_at - (extract(epoch FROM clock_timestamp()) * 1000)::bigint, stopped "
            "FROM tools_host_hop.intent WHERE plan_id = %s",
            (plan_id,),
        )
        return {index: (owner, token, left, stopped) for index, owner, token, left, stopped in rows}

    def await_intents(self, plan_id: str, count: int) -> None:
        """Waits until so many calls of a plan are open."""
        wait_until(lambda: len(self.intents(plan_id)) == count, SECONDS, f"{count} intents of {plan_id}")

    # -- what the log has ------------------------------------------------------------------------------------------------------

    def ends(self, plan_id: str) -> list[FinishedCall]:
        """Everything that hosts reported of a plan's calls, in order."""
        registry = Registry(self.world.addresses.registry)
        codec = Codec(registry)
        records = [codec.decode(message.value) for message in self.world.messages("motet.results")]
        registry.close()
        return [
            call
            for record in records
            if isinstance(record, CallsFinished) and record.plan_id == plan_id
            for call in record.calls
        ]

    def domain_of(self, partitions: Sequence[int]) -> str:
        """A domain of this tenant in one of these partitions."""
        names = map("d{}".format, count())
        return next(
            name for name in names if partition_of(domain_key(self.world.tenant, name), PARTITIONS) in partitions
        )


@contextmanager
def staged(addresses: Addresses, directory: Path) -> Iterator[HostStage]:
    """A stage on running servers; everything on it ends behind it."""
    witness = Witness.start(directory)
    made = HostStage(World(addresses, directory), witness)
    try:
        yield made
    finally:
        made.world.close()
        witness.stop()


class HostForger:
    """Sends invocations as no coordinator would, on lanes of its own."""

    def __init__(self, stage: HostStage, domain: str) -> None:
        self.stage = stage
        self.domain = domain
        self.key = domain_key(stage.world.tenant, domain)
        self.registry = Registry(stage.world.addresses.registry)
        self.codec = Codec(self.registry)
        self.place = lanes.Place()
        self.service = f"forger-{os.urandom(4).hex()}"
        self.plan_id = os.urandom(16).hex()

    def meta(self) -> Meta:
        """Of a record that nothing caused."""
        return Meta(os.urandom(16).hex(), "c", "c", self.stage.world.tenant, self.domain, 1, 1, None)

    def invoke(self, tool: str, key: str, index: int = 0, attempt: int = 1, **arguments: Any) -> bytes:
        """An invocation."""
        call = Invocation(index, f"c{index}", f"host.{tool}", 1, json.dumps(arguments), key, attempt)
        return self.codec.encode(INVOCATIONS, InvokeCalls(self.meta(), self.plan_id, "forger", (call,)))

    def stop(self, stopping: StopCalls) -> bytes:
        """That nobody wants a call any more."""
        return self.codec.encode(INVOCATIONS, stopping)

    def send(self, *values: bytes) -> None:
        """Produces records, each the next of the lane."""
        producer = self.stage.world.producer()
        for value in values:
            stamp = lanes.Stamp(self.service, 0, self.place.number + 1, self.place.digest, exogenous=False)
            self.place = lanes.follow(self.place, self.key, value)
            headers: list[tuple[str, str | bytes | None]] = [(lanes.HEADER, stamp.pack())]
            producer.produce(INVOCATIONS, value, self.key, partition_of(self.key, PARTITIONS), headers=headers)
        producer.flush()

    def ends(self, count: int) -> list[tuple[int, str, str | None]]:
        """The first so many ends of the forged plan: call, and how it ended."""
        found: list[FinishedCall] = []

        def there() -> bool:
            found[:] = self.stage.ends(self.plan_id)
            return len(found) >= count

        wait_until(there, SECONDS, f"{count} ends of the forged plan")
        return [(one.index, one.error.code if one.error else one.outcome, one.result) for one in found]

    def close(self) -> None:
        """Ends it."""
        self.registry.close()
