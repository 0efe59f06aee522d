"""What a host of plans published follows from what it took: its topics, fed to it once more, give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

import causality
import ends
import servers
from causes import CAUSES
from causes.stage import Stage, staged
from ends import ROWS
from motet import agents, coordinator
from motet.chassis import provision
from motet.chassis.codec import Codec
from motet.chassis.registry import Registry
from motet.chassis.service import Service
from motet.chassis.settings import Settings
from motet.client import Call
from replaying import Log, run_again
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
TOPICS: Final = {
    *("motet.requests", "motet.grants"),
    *("motet.events", "motet.forwarded", "motet.timers", "motet.repairs", "motet.merges", "motet.dead-letters"),
    "motet.invocations.fault",
}
# What caused what, in hops of inputs, of timers, and of effects that ended outside a hop.
EDGES: Final = {
    ("InvokeCalls", "CallsFinished"),
    ("CallsFinished", "CallsCommitted"),
    ("CallsFinished", "InvokeCalls"),
    ("CallsFinished", "AttemptsEnded"),
    ("PlanAdmitted", "TimerFired"),
    ("TimerFired", "CallsStarted"),
    ("TimerFired", "BarrierRaised"),
    ("TimerFired", "StopCalls"),
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage on servers of its own, whose topics hold nothing else."""
    directory = tmp_path_factory.mktemp("replay")
    with (
        servers.open_directory() as place,
        servers.embedded(place / ".motet") as addresses,
        staged(with_topics(addresses), directory) as made,
    ):
        yield made


@pytest.mark.timeout(240)
def test_a_replay_decides_the_same(stage: Stage) -> None:
    """Every end, deadline, wait, budget and compensation, byte for byte and in the same places."""
    for fault in FAULTS:
        CAUSES[fault](stage, next(row for row in ROWS if row.fault == fault))
    stage.world.agents()
    stage.mode = "hybrid"
    for fault in HOSTED:
        CAUSES[fault](stage, next(row for row in ROWS if row.fault == fault))
    assert stage.client.run([Call("fault.compute")], mode="choreographed").status == "SUCCEEDED"
    stage.world.await_no_lag("coordinator", "agents", "projector")
    for name in ("coordinator", "agents"):
        assert stage.world.running[name].stop() == 0
    addresses = stage.world.addresses
    settings = Settings(
        kafka_bootstrap=addresses.kafka, postgres_url=addresses.postgres, schema_registry_url=addresses.registry
    )
    partitions = provision.catalog()[0]
    hosted = all_again(stage, agents.service(settings), settings, partitions)
    assert sum(len(log.timers) for log in hosted) >= 3
    assert sum(len(log.published) for log in hosted) > 100
    logs = all_again(stage, coordinator.service(settings), settings, partitions)
    registry = Registry(addresses.registry)
    found = causality.check(
        stage.world, Codec(registry), TOPICS | {"motet.results", "motet.results.agents", "motet.contracts"}
    )
    registry.close()
    assert EDGES - found.keys() == set()
    assert sum(len(log.timers) for log in logs) >= 5
    assert sum(len(log.published) for log in logs) > 300
    # A rule that is another one today does not go unnoticed.
    other = settings.model_copy(update={"plan_seconds": 1_800.0})
    with pytest.raises(AssertionError, match=r"PlanAdmitted at .* differs"):
        all_again(stage, coordinator.service(other), other, partitions)


def all_again(stage: Stage, service: Service, settings: Settings, partitions: int) -> list[Log]:
    """Every shard of a service, run again."""
    return [again(stage, service, settings, number, partitions) for number in range(partitions)]


def again(stage: Stage, service: Service, settings: Settings, number: int, partitions: int) -> Log:
    """One shard, run again beside its log."""
    with run_again(stage.world, settings, service, number, partitions, TOPICS) as rerun:
        return rerun.log
