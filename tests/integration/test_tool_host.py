"""The tool host as an outsider sees it: owners that stop and wake, stopping, hanging, with real processes and the witness."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from host_stage import INVOCATIONS, PARTITIONS, SECONDS, HostStage, staged
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.lag import lag_of
from motet.chassis.waiting import wait_until
from motet.client import Call, Policy, Submitted
from motet.platform import Addresses
from world import Process

STEP: Final = "host.work"


@pytest.fixture(scope="module")
def stage(provisioned: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostStage]:
    """One stage for the file; each test says which hosts it wants."""
    with staged(provisioned, tmp_path_factory.mktemp("host")) as made:
        yield made


@pytest.fixture
def until(tmp_path: Path) -> Iterator[Path]:
    """A file that is not there; tools that wait for it go on at the end of the test."""
    path = tmp_path / "until"
    yield path
    path.touch()


def tokens(stage: HostStage, key: str) -> list[int]:
    """The fencing tokens of the requests under a key, in order."""
    return [int(one["headers"]["motet-fencing-token"]) for one in stage.witness.requests(key)]


def key_of(stage: HostStage, plan_id: str, index: int) -> str:
    """A call's key, which SQL shows once it has begun."""
    rows = stage.world.sql("SELECT key FROM tools_host_hop.intent WHERE plan_id = %s AND index = %s", (plan_id, index))
    return str(rows[0][0])


# -- owners --------------------------------------------------------------------------------------------------------------------


def test_a_stopped_owner_is_replaced_after_its_deadlines_and_refused_when_it_wakes(
    stage: HostStage, until: Path
) -> None:
    """Each effect class as its contract says, one effect each, a higher token, one end in the history, and nothing of the former owner."""
    stage.stop_hosts()
    first = stage.another(0)
    before = len(stage.witness.effects())
    calls = [Call(f"host.{name}", {"query": "?delay=1.5"}) for name in ("charge", "pay", "mail")]
    submitted = stage.client.submit([*calls, Call(STEP, {"until": str(until)})], policy=Policy(in_doubt="end"))
    stage.witness.await_effects(before + 4)
    stage.await_call(submitted.plan_id, "it beats", lambda call: call.get("progress") is not None, index=3)
    os.kill(first.child.pid, signal.SIGSTOP)
    try:
        keys = [key_of(stage, submitted.plan_id, index) for index in range(4)]
        owned = stage.intents(submitted.plan_id)
        assert {owner for owner, *_ in owned.values()} == {0}
        second = stage.another(1)
        shard = partition_of(domain_key(stage.world.tenant, "main"), PARTITIONS)
        epoch = stage.world.sql("SELECT epoch FROM tools_host_hop.shard WHERE partition = %s", (shard,))[0][0]
        wait_until(
            lambda: (
                stage.world.sql("SELECT epoch FROM tools_host_hop.shard WHERE partition = %s", (shard,))[0][0] > epoch
                or '"shards": [0, 1, 2, 3]' in second.said()
            ),
            SECONDS,
            "the second has the shard",
        )
        acted = await_second_requests(stage, submitted, keys[0])
        assert acted <= 0, "before the deadline the intent is its owner's"
        until.touch()
        outcome = submitted.wait(SECONDS)
    finally:
        os.kill(first.child.pid, signal.SIGCONT)
    assert [(one.status, one.error_code) for one in outcome.results] == [
        ("SUCCEEDED", None),
        ("SUCCEEDED", None),
        ("IN_DOUBT", "CRASHED"),
        ("SUCCEEDED", None),
    ]
    for key, index in ((keys[0], 0), (keys[3], 3)):
        assert len(tokens(stage, key)) == 2
        assert tokens(stage, key)[0] == owned[index][1] < tokens(stage, key)[1]
    assert [one["path"] for one in stage.witness.requests(keys[1])] == ["/nokey", f"/lookup/{keys[1]}"]
    assert [one["path"] for one in stage.witness.requests(keys[2])] == ["/nokey"]
    # What the first had in hand when it woke is nobody's: it lets the shard go, and goes on with others.
    wait_until(lambda: first.said().count('"shards claimed"') > 1, SECONDS, "the first is back")
    assert stage.client.run([Call("host.echo", {"text": "on"})]).status == "SUCCEEDED"
    stage.world.await_no_lag("tools-host", "coordinator")
    ends = stage.ends(submitted.plan_id)
    assert sorted((one.index, one.outcome) for one in ends if one.outcome != "IN_DOUBT") == [
        (0, "SUCCEEDED"),
        (1, "SUCCEEDED"),
        (3, "SUCCEEDED"),
    ]
    assert len(stage.witness.effects()) == before + 4
    assert first.child.poll() is None
    stage.stop_hosts()


def await_second_requests(stage: HostStage, submitted: Submitted, key: str) -> int:
    """Waits for the new owner's request; the milliseconds that the former's intent still had when it was last seen."""
    left = [0]

    def second() -> bool:
        rows = stage.intents(submitted.plan_id)
        if len(stage.witness.requests(key)) > 1:
            return True
        if 0 in rows and rows[0][0] == 0:
            left[0] = rows[0][2] - 150
        return False

    wait_until(second, SECONDS, "the second acts")
    return left[0]


def claimed(host: Process) -> str:
    """The shards that a host claimed last, as its log has them."""
    return host.said().rpartition('"shards": ')[2].partition(', "event"')[0]


@pytest.mark.parametrize("event", ["the connection is lost", "another replica comes", "both at once"])
def test_what_runs_outlives_its_handler(stage: HostStage, event: str) -> None:
    """The process lives, and so does the attempt: it is neither run twice nor in doubt, and its end is told."""
    first = stage.host()
    # A second replica of a test before is a member for its session time; until then its return would be no event.
    wait_until(lambda: claimed(first) == "[0, 1, 2, 3]", SECONDS, "the first replica has all shards")
    domain = stage.domain_of((0,))
    submitted = stage.client.submit(
        [Call("host.mail", {"query": "?delay=3"}), Call("host.charge", {"query": "?delay=3"})], domain=domain
    )
    stage.await_intents(submitted.plan_id, 2)
    keys = [key_of(stage, submitted.plan_id, index) for index in range(2)]
    for key in keys:
        stage.witness.await_effects(1, key)
    claims = first.said().count('"shards claimed"')
    if event != "another replica comes":
        stage.world.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'motet-tools-host-0'"
        )
    if event == "the connection is lost":
        wait_until(lambda: "connection" in first.said().rpartition('"shards claimed"')[2], SECONDS, "it notices")
    else:
        stage.another(1)
        wait_until(lambda: first.said().count('"shards claimed"') > claims, SECONDS, "the shards are dealt anew")
    outcome = submitted.wait(SECONDS)
    assert [(one.status, one.error_code) for one in outcome.results] == [("SUCCEEDED", None)] * 2
    assert [len(stage.witness.requests(key)) for key in keys] == [1, 1]
    assert stage.intents(submitted.plan_id) == {}


def test_a_stopped_call_is_not_run_again_after_a_crash(stage: HostStage) -> None:
    """Its first owner was told, and died; whether it happened nobody knows, and nobody begins it again."""
    victim = stage.host()
    submitted = stage.client.submit([Call("host.charge", {"query": "?delay=3"})], policy=Policy(in_doubt="end"))
    stage.await_intents(submitted.plan_id, 1)
    key = key_of(stage, submitted.plan_id, 0)
    stage.witness.await_effects(1, key)
    stage.client.direct.cancel(submitted.plan_id)
    wait_until(lambda: stage.intents(submitted.plan_id)[0][3], SECONDS, "the intent says that it was stopped")
    victim.kill()
    stage.another(0)
    assert submitted.wait(SECONDS).status == "CANCELLED"
    stage.await_call(submitted.plan_id, "in doubt", lambda call: bool(call["in_doubt"]))
    assert len(stage.witness.requests(key)) == 1
    assert stage.intents(submitted.plan_id) == {}


# -- stopping and progress -----------------------------------------------------------------------------------------------------


def test_what_runs_is_told_and_what_waits_never_begins(stage: HostStage) -> None:
    """Both ends are recorded: the one that the tool gives, and that the other one was never begun."""
    stage.host(MOTET_TOOL_THREADS="1")
    words = ("return", "check")
    running = [stage.client.submit([Call("host.patient", {"word": word})]) for word in words[:1]]
    stage.await_intents(running[0].plan_id, 1)
    waiting = stage.client.submit([Call("host.patient", {"word": "check"})])
    stage.await_intents(waiting.plan_id, 1)
    stage.client.direct.cancel(waiting.plan_id)
    stage.await_call(waiting.plan_id, "its end", lambda call: call.get("late_outcome") == "CANCELLED")
    assert stage.call(waiting.plan_id)["late_error"] == "STOPPED"
    assert stage.intents(running[0].plan_id)
    stage.client.direct.cancel(running[0].plan_id)
    stage.await_call(running[0].plan_id, "its end", lambda call: call.get("late_outcome") == "SUCCEEDED")
    asking = stage.client.submit([Call("host.patient", {"word": "check"})])
    stage.await_intents(asking.plan_id, 1)
    stage.client.direct.cancel(asking.plan_id)
    stage.await_call(asking.plan_id, "its end", lambda call: call.get("late_outcome") == "CANCELLED")
    for plan in (waiting, running[0], asking):
        assert plan.wait(SECONDS).status == "CANCELLED"
        assert stage.intents(plan.plan_id) == {}


def test_progress_shows_while_the_tool_runs(stage: HostStage, until: Path) -> None:
    """And grows."""
    stage.host()
    submitted = stage.client.submit([Call(STEP, {"until": str(until)})])
    seen: list[int] = []

    def grows() -> bool:
        call = stage.call(submitted.plan_id)
        if call and call["progress"] is not None:
            assert call["status"] == "STARTED"
            seen.append(call["progress"]["step"])
        return len(set(seen)) >= 3

    wait_until(grows, SECONDS, "progress")
    assert seen == sorted(seen)
    until.touch()
    assert submitted.wait(SECONDS).status == "SUCCEEDED"


# -- hanging -------------------------------------------------------------------------------------------------------------------


def hang(stage: HostStage, until: Path, times: int) -> None:
    """Calls that hang, one after another: each is given up, and its thread with it."""
    for _ in range(times):
        outcome = stage.client.run([Call("host.hang", {"until": str(until)})])
        assert [one.error_code for one in outcome.results] == ["TIMED_OUT"]


def test_a_pool_that_hangs_takes_nothing_in_until_it_recovers(stage: HostStage, until: Path) -> None:
    """Invocations wait in Kafka; once the tools came back they are run."""
    stage.host(MOTET_TOOL_THREADS="1")
    hang(stage, until, 4)
    submitted = stage.client.submit([Call("host.echo", {"text": "on"})])
    bootstrap = stage.world.addresses.kafka
    wait_until(
        lambda: lag_of(bootstrap, ["tools-host"])["tools-host"].get(INVOCATIONS) == 1, SECONDS, "it waits in Kafka"
    )
    stage.await_call(submitted.plan_id, "sent", lambda call: call.get("status") == "STARTED")
    assert not submitted.future.done()
    assert stage.intents(submitted.plan_id) == {}
    until.touch()
    assert submitted.wait(SECONDS).status == "SUCCEEDED"
    assert stage.client.run([Call("host.echo", {"text": "on"})]).status == "SUCCEEDED"


def test_hanging_tools_do_not_keep_a_process_from_ending(stage: HostStage, until: Path) -> None:
    """SIGTERM is answered in order, whatever hangs."""
    process = stage.host(MOTET_TOOL_THREADS="1")
    hang(stage, until, 4)
    assert process.stop() == 0
    assert '"event": "stopped"' in process.said()


def test_a_transactional_tool_that_swallows_its_limit_is_undone(stage: HostStage) -> None:
    """What it wrote is rolled back, whatever it returns, and the shard goes on."""
    stage.host()
    submitted = stage.client.submit([Call("host.stubborn", {"text": "never"})])
    outcome = submitted.wait(SECONDS)
    assert [(one.status, one.error_code) for one in outcome.results] == [("FAILED", "TIMED_OUT")]
    assert stage.world.sql("SELECT count(*) FROM tools_host.entry WHERE text = 'never'") == [(0,)]
    assert stage.client.run([Call("host.enter", {"text": "after"})]).status == "SUCCEEDED"
