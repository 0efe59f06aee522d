"""Motet itself, through its Python client, on a platform of its own: everything that `motet up` starts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.peers import work
from benchmarks.peers.motet_tools import OWN_SCHEMA
from benchmarks.peers.peer import About, PeerFailed
from motet.chassis.code_version import is_compiled, of_package
from motet.cli.running import core_services
from motet.client import Call, Client
from motet.platform import Platform, ServiceSpec, servers

SERVICE: Final = "tools-peers"
BACK_SECONDS: Final = 60.0
# More than are ever in flight, so that plans that share nothing share no domain either.
DOMAINS: Final = 4_096
THREADS: Final = "256"


class MotetPeer:
    """Plans through Kafka, orchestrated, all guarantees on."""

    about = About(
        title="Motet",
        api="Client.submit of one plan; transactional tools that claim their row (writes='row:{key}')",
        effects="exactly once: a row and its result are one transaction",
        saturated_at=1_000,
        settings={
            "MOTET_TOOL_THREADS": f"{THREADS}, for tools that wait; those are reconcilable, not transactional",
            "domains": "one for plans that share accounts, else 4,096",
            "services": "coordinator, agents, leases, projector and one tool service, a process each",
        },
    )
    schema = OWN_SCHEMA

    def __init__(self) -> None:
        self.url = ""
        self.platform: Platform | None = None
        self.client: Client | None = None

    async def start(self, directory: Path) -> None:
        """Starts Kafka, PostgreSQL, the registry and Motet's services."""
        os.environ["MOTET_TOOL_THREADS"] = THREADS
        own = ServiceSpec(SERVICE, (sys.executable, "-m", "motet", "tools", "serve", "benchmarks.peers.motet_tools"))
        # Not on another thread: the platform ends with the one that started it.
        self.platform = Platform.up(
            directory / "motet", [*core_services(), own], lifetime="caller", environment=servers.TO_STAY
        )
        addresses = self.platform.addresses
        self.url = addresses.postgres
        self.client = Client(addresses.kafka, addresses.registry, tenant="bench", agent="bench")

    async def run(self, plan: work.Plan) -> Sequence[str | None]:
        """One plan; its outcome has the results in call order."""
        assert self.client is not None
        shared = any(call.account for call in plan.calls)
        domain = "bank" if shared else f"d{plan.number % DOMAINS}"
        submitted = self.client.submit(list(map(asked, plan.calls)), domain=domain)
        outcome = await asyncio.wrap_future(submitted.future)
        if outcome.status != "SUCCEEDED":
            raise PeerFailed(f"plan {outcome.plan_id} ended {outcome.status}: {outcome.reasons or outcome.results[:1]}")
        return [one.value for one in outcome.results]

    async def kill_worker(self) -> None:
        """The tool service, in whose transactions the rows are written; its supervisor starts it again."""
        assert self.platform is not None
        pid = self.platform.pid(SERVICE)
        assert pid is not None
        restarts = next(one.restarts for one in self.platform.status() if one.name == SERVICE)
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(
            self.platform.await_process,
            SERVICE,
            lambda one: one.restarts > restarts and one.state == "ready",
            BACK_SECONDS,
        )

    async def stop(self) -> None:
        """Stops the platform; its data goes with the run's directory."""
        if self.client is not None:
            self.client.close()
        if self.platform is not None:
            await asyncio.to_thread(self.platform.down)

    def versions(self) -> Mapping[str, str]:
        """Of the servers, and whether the deciders ran compiled."""
        compiled = "compiled" if is_compiled() else "interpreted"
        return {"Motet": of_package(), "its deciders": compiled, "Kafka": servers.KAFKA_VERSION}


def asked(call: work.Call) -> Call:
    """A call of the work as Motet's."""
    if call.wait_seconds:
        return Call("peers.write_slowly", {"key": call.key, "wait_seconds": call.wait_seconds})
    if call.account:
        return Call("peers.enter", {"key": call.key, "account": call.account})
    return Call("peers.write", {"key": call.key})
