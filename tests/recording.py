"""A history to keep: every decision that the services know, once. `python tests/recording.py FILE` plays it and writes it down.

Each release adds one to `tests/golden`, and none is ever changed: `test_golden` feeds all of them to the code of the day.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

import ends
import servers
from causes import CAUSES
from causes.stage import Stage, accounts, staged
from ends import ROWS
from motet.chassis.settings import Settings
from motet.client import Call, Mode, PlanLeases, Policy
from motet.client.leases import LeaseLost, NotGranted
from motet.conformance import archive, reading
from motet.conformance.history import History
from world import with_topics

# Deadlines, retries, approvals, budgets, doubt, undoing, barriers; and a coordinator that died in the midst of it.
FAULTS: Final = (
    *(ends.OUT_OF_TIME, ends.TWICE_503, ends.SILENT, ends.LATE_SUCCESS, ends.ENOUGH, ends.BETWEEN, ends.EXPIRED),
    *(ends.HAPPENED, ends.CALLS, ends.COST, ends.AGENT, ends.DEAD, ends.TWICE, ends.LATER, ends.KILLED_BUDGET),
)
# The same with hybrid plans, whose resources the coordinator keeps.
HOSTED: Final = (
    *(ends.OUT_OF_TIME, ends.TWICE_503, ends.LATE_SUCCESS, ends.ENOUGH, ends.BETWEEN, ends.HAPPENED, ends.CALLS),
    *(ends.TWICE, ends.LATER),
)
SERVICES: Final = ("coordinator", "agents", "leases")


def play(stage: Stage) -> None:
    """The fault table, each mode, leases; then everything is said, and who decides has stopped."""
    for fault in FAULTS:
        CAUSES[fault](stage, next(row for row in ROWS if row.fault == fault))
    stage.world.agents()
    stage.mode = "hybrid"
    for fault in HOSTED:
        CAUSES[fault](stage, next(row for row in ROWS if row.fault == fault))
    assert stage.client.run([Call("fault.compute")], mode="choreographed").status == "SUCCEEDED"
    hold_up(stage)
    stage.world.leases()
    lease(stage)
    take_leases(stage)
    stage.world.await_no_lag(*SERVICES, "projector")
    for name in SERVICES:
        assert stage.world.running[name].stop() == 0


def hold_up(stage: Stage) -> None:
    """Calls that end behind a slow one and let go, or are kept by their plan while another of it waits; compensations that get in line."""
    slow = Call("fault.hold", {"query": "?delay=1"})
    one, other, third = (Call("fault.deposit", {"account": next(accounts)}) for _ in range(3))
    whole = stage.client.submit([slow, one, one])
    parts = stage.client.submit([slow, other, other], isolation="call")
    failing = Call("fault.compute", {"how": "fail"}, after=["c0"])
    undone = stage.client.submit([third, failing], isolation="call", policy=Policy(on_failure="compensate"))
    assert [one.wait().status for one in (whole, parts, undone)] == ["SUCCEEDED", "SUCCEEDED", "COMPENSATED"]
    kinds = "SELECT DISTINCT type FROM motet.lineage WHERE plan_id = ANY(%s)"
    stage.world.await_no_lag("coordinator", "projector")
    found = {kind for (kind,) in stage.world.sql(kinds, ([one.plan_id for one in (whole, parts, undone)],))}
    assert {"CallsEnded", "CallsLinedUp"} <= found


def lease(stage: Stage) -> None:
    """One holds, one waits and gets it when the time of the first is over; one gives back, one comes too late."""
    ann, bob = (stage.client.leases.of(scope="golden", holder=name) for name in ("ann", "bob"))
    first = ann.acquire(["account:1", "account:2"], duration_seconds=1.5)
    with suppress(NotGranted):
        bob.acquire(["account:2"], duration_seconds=5)
    waiting = threading.Thread(
        target=lambda: bob.release(bob.acquire(["account:2"], duration_seconds=5, wait_seconds=20))
    )
    waiting.start()
    ann.holder("account:1")
    waiting.join()
    with suppress(LeaseLost):
        ann.renew(first, 5)
    kept = ann.acquire(["account:3"], duration_seconds=60)
    ann.renew(kept, 30)


def take_leases(stage: Stage) -> None:
    """Plans of every mode that take leases: at once, in vain, and one whose time is over before its calls are."""
    modes: tuple[Mode, ...] = ("orchestrated", "hybrid", "choreographed")
    both = PlanLeases(["here/a", "there/b"], seconds=60)
    plans = [stage.client.submit([Call("fault.compute")], mode=mode, leases=both) for mode in modes]
    assert [one.wait().status for one in plans] == ["SUCCEEDED"] * len(plans)
    caretaker = stage.client.leases.of(scope="here", holder="caretaker")
    held = caretaker.acquire(["a"], duration_seconds=60, wait_seconds=20)
    vain = PlanLeases(["here/a"], wait_seconds=0.2)
    assert stage.client.run([Call("fault.compute")], leases=vain).status == "FAILED"
    caretaker.release(held)
    late = PlanLeases(["here/a"], seconds=0.2)
    calls = [Call("fault.compute", {"how": "slow"}), Call("fault.compute", after=["c0"])]
    assert stage.client.run(calls, leases=late).results[1].error_code == "STALE_TOKEN"


def settings_of(stage: Stage) -> Settings:
    """The settings of everything that runs on a stage."""
    where = stage.world.addresses
    return Settings(kafka_bootstrap=where.kafka, postgres_url=where.postgres, schema_registry_url=where.registry)


def history_of(stage: Stage) -> History:
    """What the topics hold now, which is everything."""
    found = reading.read(settings_of(stage), SERVICES)
    return History(found.messages, found.schemas, found.partitions, found.settings)


def main(file: Path) -> None:
    """Plays a history on servers of its own, and writes it."""
    with (
        servers.open_directory() as directory,
        servers.embedded(directory / ".motet") as addresses,
        staged(with_topics(addresses), directory) as stage,
    ):
        play(stage)
        archive.write(history_of(stage), file)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
