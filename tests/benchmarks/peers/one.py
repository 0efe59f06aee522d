"""One peer through all shapes, in a process of its own: what it finds is one JSON document on standard output.

A process of its own, so that a peer that hangs or dies takes nobody with it, and none finds what another one left in memory.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.peers import machine, measuring
from benchmarks.peers.counting import Counts, count, rows_of
from benchmarks.peers.measuring import Flow, percentile
from benchmarks.peers.peer import Peer, PeerFailed
from benchmarks.peers.work import SHAPES, Plan, Shape, plans_of
from motet.platform import unprivileged

# In the order in which they run and are told.
PEERS: Final = {
    "motet": "motet_peer:MotetPeer",
    "psycopg": "psycopg_peer:PsycopgPeer",
    "dbos": "dbos_peer:DbosPeer",
    "dbos-transactions": "dbos_peer:DbosTransactionsPeer",
    "celery": "celery_peer:CeleryPeer",
    "restate": "restate_peer:RestatePeer",
    "temporal": "temporal_peer:TemporalPeer",
    "langgraph": "langgraph_peer:LanggraphPeer",
}
# Servers on a Java or a JavaScript engine, ours among them, are compiled while they run.
WARM_UP_SECONDS: Final = 20.0
WARM_UP: Final = Shape("warm", "warm-up", 32)
DRAIN_SECONDS: Final = 60.0
# So long no new row must come before rows are counted: what was redelivered may still be on its way, most of all after a kill.
STILL_SECONDS: Final = 2.0
STILL_AFTER_KILL_SECONDS: Final = 20.0


def made(name: str) -> Peer:
    """A peer by its name."""
    module, _, kind = PEERS[name].partition(":")
    peer: Peer = getattr(import_module(f"benchmarks.peers.{module}"), kind)()
    return peer


@contextmanager
def own_directory(name: str) -> Iterator[Path]:
    """An empty folder on a disk (the usual place may be in memory) that others may enter: started by root, PostgreSQL is another user."""
    path = Path(tempfile.mkdtemp(prefix=f"motet-peers-{name}-", dir=unprivileged.ELSEWHERE))
    path.chmod(0o755)
    try:
        yield path
    finally:
        for platform in path.iterdir():
            if platform.is_dir():
                unprivileged.remove(platform)
        unprivileged.remove(path)


async def still(peer: Peer, seconds: float) -> None:
    """Waits until no row came for so long."""
    with psycopg.connect(peer.url, autocommit=True) as connection:

        def rows() -> int:
            found = connection.execute(f"SELECT count(*) FROM {peer.schema}.work".encode()).fetchone()
            return int(found[0]) if found else 0

        before, since = rows(), time.monotonic()
        while time.monotonic() - since < seconds:
            await asyncio.sleep(0.25)
            if (now := rows()) != before:
                before, since = now, time.monotonic()


async def shape_of(peer: Peer, shape: Shape, seconds: float) -> dict[str, Any]:
    """One shape: its figures, counts, and the first failures."""
    at_once = shape.in_flight or peer.about.saturated_at
    run = f"{shape.name}x{time.time_ns():x}"
    kill: Callable[[], Awaitable[None]] | None = peer.kill_worker if shape.killed else None
    use = machine.Use()
    found = await measuring.flow(peer.run, plans_of(shape, run), at_once, seconds, DRAIN_SECONDS, kill)
    share, own = use.others(), use.ours()
    await still(peer, STILL_AFTER_KILL_SECONDS if shape.killed else STILL_SECONDS)
    results = {one.plan.name: one.results for one in found.ended}
    counts = count(found.submitted, results, rows_of(peer.url, peer.schema, run))
    return figures(shape, at_once, found, counts) | {
        "others_share": round(share, 3),
        "processor_ms_per_call": rounded(own * 1000 / max(1, counts.calls)),
    }


def figures(shape: Shape, at_once: int, found: Flow, counts: Counts) -> dict[str, Any]:
    """What is told of one shape."""
    return {
        "shape": shape.name,
        "in_flight": at_once,
        "plans": len(found.measured),
        "calls_per_second": round(found.calls_per_second, 1),
        "p50_ms": rounded(percentile(found.latencies_ms, 0.5)),
        "p99_ms": rounded(percentile(found.latencies_ms, 0.99)),
        "longest_pause_seconds": rounded(found.longest_pause_seconds),
        "counts": asdict(counts),
        "failures": [one[:300] for one in found.failures[: measuring.MOST_FAILURES_TOLD]],
        "failed_plans": len(found.failures),
    }


def rounded(value: float) -> float | None:
    """A figure; None where nothing ended."""
    return round(value, 2) if math.isfinite(value) else None


async def warmed_up(peer: Peer, seconds: float) -> None:
    """A first load that nobody measures. Raises PeerFailed when none of it ends."""
    plans: Iterator[Plan] = plans_of(WARM_UP, f"warmx{time.time_ns():x}")
    found = await measuring.flow(peer.run, plans, WARM_UP.in_flight, seconds, DRAIN_SECONDS)
    if not found.ended:
        raise PeerFailed(f"no plan ended: {found.failures[:1]}")


async def measured(
    name: str, shapes: Sequence[Shape], seconds: float, quiet_seconds: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """All shapes of one peer, each once others leave the machine alone, or `quiet_seconds` are over."""
    peer = made(name)
    out: list[dict[str, Any]] = []
    with own_directory(name) as directory:
        try:
            say(f"{name}: starting")
            await peer.start(directory)
            await warmed_up(peer, min(WARM_UP_SECONDS, 2 * seconds))
            for shape in shapes:
                if shape.killed and not peer.about.has_worker:
                    continue
                machine.await_quiet(quiet_seconds)
                say(f"{name}: {shape.title}")
                out.append(await shape_of(peer, shape, seconds))
                say(f"{name}: {told(out[-1])}")
            versions = known_versions(peer)
        finally:
            await peer.stop()
    about = asdict(peer.about) | {"settings": dict(peer.about.settings)}
    return {"name": name, "about": about, "versions": versions, "shapes": out}


def known_versions(peer: Peer) -> Mapping[str, str]:
    """What ran."""
    with psycopg.connect(peer.url) as connection:
        postgres = connection.execute("SHOW server_version").fetchone()
    packages = {name: version(name) for name in peer.about.packages}
    return {"PostgreSQL": str(postgres[0]) if postgres else "unknown", **packages, **peer.versions()}


def told(shape: Mapping[str, Any]) -> str:
    """One line for whoever waits."""
    wrong = {name: number for name, number in shape["counts"].items() if number and name != "calls"}
    speed = f"{shape['calls_per_second']:,.0f} calls/s, p50 {shape['p50_ms']} ms, p99 {shape['p99_ms']} ms"
    speed += f", {shape['processor_ms_per_call']} ms of processor a call"
    return f"  {speed}, others used {shape['others_share']:.0%} {wrong or ''}"


def main() -> None:
    """Takes NAME, SECONDS, QUIET_SECONDS and the names of shapes."""
    name, seconds, quiet_seconds, *names = sys.argv[1:]
    shapes = [shape for shape in SHAPES if shape.name in names]

    def say(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    found = asyncio.run(measured(name, shapes, float(seconds), float(quiet_seconds), say))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
