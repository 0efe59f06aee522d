"""What a host of plans published follows from what it took: its topics, fed to it once more, give the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import causality
import recording
import servers
from causes.stage import Stage, staged
from motet import agents, coordinator, leases
from motet.chassis.codec import Codec
from motet.chassis.registry import Registry
from motet.chassis.service import Service
from motet.chassis.settings import Settings
from motet.conformance import rerun
from motet.conformance.history import History
from motet.conformance.shard_log import ShardLog
from terminal import terminal
from world import with_topics

TOPICS: Final = {
    *("motet.requests", "motet.grants", "motet.results", "motet.results.agents", "motet.contracts"),
    *("motet.events", "motet.commands", "motet.timers", "motet.repairs", "motet.merges", "motet.dead-letters"),
    *("motet.invocations.fault", "motet.leases", "motet.lease-requests", "motet.lease-grants", "motet.lease-timers"),
}
# What caused what, in hops of inputs, of timers, and of effects that ended outside a hop.
EDGES: Final = {
    ("InvokeCalls", "CallsFinished"),
    ("CallsFinished", "CallsCommitted"),
    ("CallsFinished", "InvokeCalls"),
    ("CallsFinished", "AttemptsEnded"),
    ("PlanAdmitted", "TimerFired"),
    ("TimerFired", "CallsStarted"),
    ("LeasesTaken", "TakeLeases"),
    ("TakeLeases", "LeasesTaken"),
    ("LeasesTaken", "InvokeCalls"),
    ("GiveBackLeases", "LeasesReleased"),
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
def test_a_replay_decides_the_same(stage: Stage, tmp_path: Path) -> None:
    """Every end, deadline, wait, budget and compensation, byte for byte and in the same places."""
    recording.play(stage)
    settings = recording.settings_of(stage)
    history = recording.history_of(stage)
    timed = all_again(settings, leases.service(settings), history)
    assert sum(len(log.exogenous) for log in timed) >= 1
    assert sum(len(log.published) for log in timed) >= 10
    hosted = all_again(settings, agents.service(settings), history)
    assert sum(len(log.exogenous) for log in hosted) >= 3
    assert sum(len(log.published) for log in hosted) > 100
    logs = all_again(settings, coordinator.service(settings), history)
    assert sum(len(log.exogenous) for log in logs) >= 5
    assert sum(len(log.published) for log in logs) > 300
    registry = Registry(settings.schema_registry_url)
    found = causality.check(stage.world, Codec(registry), TOPICS)
    registry.close()
    assert EDGES - found.keys() == set()
    # A rule that is another one today does not go unnoticed, and is named by the first event that differs: here, and on the screen.
    other = settings.model_copy(update={"plan_seconds": 1_800.0})
    with rerun.run_again(other, coordinator.service(other), history) as again:
        parted = [again.shard(number).difference for number in range(history.partitions)]
    assert {(one.type, *(field.path for field in one.fields[:1])) for one in parted if one is not None} == {
        ("motet.events.PlanAdmitted", "record.deadline_at")
    }
    on_screen(stage, tmp_path / "recorded.avro")


def all_again(settings: Settings, service: Service, history: History) -> list[ShardLog]:
    """Every shard of a service, run again: each record the same, and none beside them."""
    with rerun.run_again(settings, service, history) as again:
        for number in range(history.partitions):
            compared = again.shard(number)
            assert compared.difference is None, str(compared.difference)
            assert (compared.records, compared.later) == (len(again.logs[number].published), 0)
        return again.logs


def on_screen(stage: Stage, file: Path) -> None:
    """The commands, from Kafka and from a file."""
    shell = terminal(stage.world)
    try:
        said = json.loads(shell.run("motet replay coordinator --json"))
        assert said["equal"] is True
        assert said["records"] > 300
        assert f"bytes: {file}" in shell.run(f"motet record {file}")
        assert "differs" not in shell.run(f"motet replay agents --history {file}; echo exit $?")
        changed = "MOTET_PLAN_SECONDS=1800 motet replay coordinator"
        assert re.search(
            r"shard \d: motet.events.PlanAdmitted at motet.events, .* differs in record.deadline_at", shell.run(changed)
        )
        assert shell.run(f"{changed} >/dev/null; echo $?") == "1\n"
        # The settings that decided then are in the file.
        assert json.loads(shell.run(f"MOTET_PLAN_SECONDS=1800 motet replay coordinator --history {file} --json"))[
            "equal"
        ]
        assert "there is no service 'bank'" in shell.run("motet replay bank")
    finally:
        shell.close()
