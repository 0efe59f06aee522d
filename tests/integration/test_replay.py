"""What a host of plans published follows from what it took: its topics, fed to it once more, give the same bytes."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
import pytest

import causality
import recording
import servers
from causes.stage import Stage, staged
from guide import Shell, typed
from motet import agents, coordinator, leases
from motet.chassis.codec import Codec
from motet.chassis.registry import Registry
from motet.chassis.service import Service
from motet.chassis.settings import Settings
from motet.chassis.waiting import wait_until
from motet.client import Call
from motet.conformance import reading, rerun
from motet.conformance.history import History
from motet.conformance.shard_log import ShardLog
from motet.tools import again, load
from terminal import terminal
from world import Process, World, with_topics

FAULTS: Final = Path(__file__).parent / "fault_tools.py"
PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "replay.md").read_text()
TOPICS: Final = {
    *("motet.requests", "motet.grants", "motet.results", "motet.results.agents", "motet.contracts"),
    *("motet.events", "motet.commands", "motet.timers", "motet.repairs", "motet.merges", "motet.dead-letters"),
    *("motet.invocations.fault", "motet.leases", "motet.lease-requests", "motet.lease-grants", "motet.lease-timers"),
}
COPY_SCHEMA: Final = """
DO $$ DECLARE name text; BEGIN
    CREATE SCHEMA {1};
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = '{0}' LOOP
        EXECUTE format('CREATE TABLE {1}.%I (LIKE {0}.%I INCLUDING ALL)', name, name);
        EXECUTE format('INSERT INTO {1}.%I OVERRIDING SYSTEM VALUE SELECT * FROM {0}.%I', name, name);
    END LOOP;
END $$"""
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
    # What facts say of the code that made them is what was said then, whatever code decides it again.
    later = settings.model_copy(update={"code_version": "another"})
    logs = all_again(later, coordinator.service(later), history)
    assert sum(len(log.exogenous) for log in logs) >= 5
    assert sum(len(log.published) for log in logs) > 300
    registry = Registry(settings.schema_registry_url)
    found = causality.check(stage.world, Codec(registry), TOPICS)
    registry.close()
    assert EDGES - found.keys() == set()
    edges = causality.check_lineage(stage.world)
    assert {("CallsFinished", "CallsFinished"), ("TimerFired", "CallsFinished"), ("LeasesTaken", "TakeLeases")} <= edges
    assert {("CallsFinished", "CompensationStarted"), ("ReserveResources", "ResourcesGranted")} <= edges
    # A rule that is another one today does not go unnoticed, and is named by the first event that differs: here, and on the screen.
    other = settings.model_copy(update={"plan_seconds": 1_800.0})
    with rerun.run_again(other, coordinator.service(other), history) as again:
        parted = [again.shard(number).difference for number in range(history.partitions)]
    assert {(one.type, *(field.path for field in one.fields[:1])) for one in parted if one is not None} == {
        ("motet.events.PlanAdmitted", "record.deadline_at")
    }
    on_screen(stage, tmp_path / "recorded.avro")
    tools_again(stage, settings)


def all_again(settings: Settings, service: Service, history: History) -> list[ShardLog]:
    """Every shard of a service, run again: each record the same, and none beside them."""
    with rerun.run_again(settings, service, history) as again:
        for number in range(history.partitions):
            compared = again.shard(number)
            assert compared.difference is None, str(compared.difference)
            assert (compared.records, compared.later) == (len(again.logs[number].published), 0)
        return again.logs


def tools_again(stage: Stage, settings: Settings) -> None:
    """The tool service: what its transactional tools do is done again; what others did outside is taken from the log, and done by nobody."""
    toolset = load(str(FAULTS))
    asked = stage.witness.requests()
    service = again.service(toolset, settings)
    history = reading.read(settings, [service.name], service)
    logs = all_again(settings, service, history)
    assert sum(len(log.exogenous) for log in logs) > 50
    assert sum(len(log.published) - len(log.exogenous) for log in logs) > 4
    assert stage.witness.requests() == asked
    rerun.drop_schema(settings, again.schema_again(toolset.name))


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
        assert "the log has nothing of a toolset 'fualt'" in shell.run("motet recover tools-fualt")
    finally:
        shell.close()


@pytest.mark.last
@pytest.mark.timeout(240)
def test_lost_databases_are_made_again_from_topics(stage: Stage, tmp_path: Path) -> None:
    """Every service killed in mid-run, every schema dropped: refused first, recovered from topics alone, every effect once, chains whole.

    Then `docs/replay.md` is typed.
    """
    world = stage.world
    started = {
        "coordinator": world.coordinator,
        "agents": world.agents,
        "leases": world.leases,
        "projector": world.projector,
    }
    started["tools-fault_tools"] = stage.tools
    for name, start in started.items():
        if name not in world.running or world.running[name].child.poll() is not None:
            start()
    stage.mode = "orchestrated"
    held = stage.client.leases.of(scope="kept", holder="ann").acquire(["account:1"], duration_seconds=300)
    assert stage.client.run([Call("fault.charge", {"account": "before"})]).status == "SUCCEEDED"
    # Slow at the witness, so that they are under way when everything dies.
    calls = [Call("fault.charge", {"account": f"slow-{number}", "query": "?delay=0.6"}) for number in range(4)]
    calls += [Call("fault.pay", {"query": "?delay=0.6"}) for _ in range(2)]
    effects, requests = len(stage.witness.effects()), len(stage.witness.requests())
    under_way = [stage.client.submit([one], mode=mode) for one in calls for mode in ("orchestrated", "hybrid")]
    stage.witness.await_requests(requests + 4)
    for name in started:
        world.running[name].kill()
    before = [stage.client.submit([Call("fault.charge", {"account": f"after-{number}"})]) for number in range(4)]
    for schema in ("coordinator", "agents", "leases", "projector", "motet", "tools_fault_hop"):
        change(world, f"DROP SCHEMA {schema} CASCADE")
    for name, start in started.items():
        process = start()
        wait_until(partial(is_refused, process), 30.0, f"{name} is refused")
        assert process.stop() == 0
    shell = terminal(world)
    try:
        # By other rules than those of then nothing is recovered.
        printed = shell.run("MOTET_PLAN_SECONDS=1800 motet recover coordinator; echo exit $?")
        assert "cannot be recovered by this code: motet.events.PlanAdmitted at" in printed, printed
        assert "exit 2" in printed
        # The tools first, so that all times are over when their service starts: what may have begun is still asked about.
        for name in ("tools-fault", "coordinator", "agents", "leases", "projector"):
            printed = shell.run(f"motet recover {name}")
            assert f"{name} is recovered: start it" in printed, printed
        for start in started.values():
            start()
        ends = {one.wait(60).status for one in (*under_way, *before)}
        assert ends == {"SUCCEEDED"}
        ann = stage.client.leases.of(scope="kept", holder="ann")
        assert ann.renew(held, 300).token == held.token
        keys = Counter(one["key"] for one in stage.witness.effects()[effects:])
        # Each with its way: what was run and asked under its key.
        assert {key: ways(stage, key) for key, count in keys.items() if count > 1} == {}
        assert len(keys) == len(under_way) + len(before)
        an_older_backup(stage, shell)
        world.await_no_lag("coordinator", "agents", "leases", "projector", "tools-fault")
        for name in ("coordinator", "agents", "leases"):
            said = json.loads(shell.run(f"motet replay {name} --json"))
            assert said["equal"], said
            assert sum(one["later"] + one["unpublished"] for one in said["shards"]) == 0
        rebuilt = [json.loads(shell.run(f"motet rebuild --batch {size} --json")) for size in (1, 100, 1_000)]
        assert [one["equal"] for one in rebuilt] == [True] * 3, rebuilt
        assert len({one["digest"] for one in rebuilt}) == 1
        assert world.running["coordinator"].stop() == 0
        shell.run(f"cd {tmp_path}")
        for typed_one in typed(PAGE):
            printed = shell.run(typed_one.command)
            assert typed_one.says(printed), f"$ {typed_one.command}\n{printed}\nthe page says:\n{typed_one.output}"
    finally:
        shell.close()


def ways(stage: Stage, key: str) -> list[str]:
    """What arrived at the witness under a key, each with its fencing token."""
    return [
        f"{one['method']} {one['path']} {one['headers']['motet-fencing-token']}" for one in stage.witness.requests(key)
    ]


def refusals(process: Process) -> int:
    """How often a service said that its database is older than the log, and what to do."""
    return process.said().count("Run `motet recover ")


def is_refused(process: Process) -> bool:
    """Whether it said so."""
    return refusals(process) > 0


def change(world: World, statements: str) -> None:
    """What befalls the database."""
    with psycopg.connect(world.addresses.postgres) as connection:
        connection.execute(statements.encode())


def an_older_backup(stage: Stage, shell: Shell) -> None:
    """The coordinator's schema as it was some plans ago: refused, then recovered."""
    world = stage.world
    assert world.running["coordinator"].stop() == 0
    change(world, COPY_SCHEMA.format("coordinator", "backup"))
    world.coordinator()
    assert stage.client.run([Call("fault.charge", {"account": "forgotten"})]).status == "SUCCEEDED"
    assert world.running["coordinator"].stop() == 0
    change(world, "DROP SCHEMA coordinator CASCADE; ALTER SCHEMA backup RENAME TO coordinator")
    before = refusals(world.running["coordinator"])
    process = world.coordinator()
    wait_until(lambda: refusals(process) > before, 30.0, "the coordinator is refused")
    assert process.stop() == 0
    assert "coordinator is recovered: start it" in shell.run("motet recover coordinator")
    world.coordinator()
    assert stage.client.run([Call("fault.charge", {"account": "remembered"})]).status == "SUCCEEDED"
