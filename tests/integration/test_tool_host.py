"""The tool host as an outsider sees it: owners that stop and wake, keys and windows, stopping, hanging, with real processes and the witness."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from host_stage import INVOCATIONS, PARTITIONS, SECONDS, HostForger, HostStage
from motet.chassis.expiry import ROWS_AT_ONCE
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.lag import lag_of
from motet.chassis.waiting import wait_until
from motet.client import Call, Policy, Submitted
from motet.coordinator import commands
from motet.platform import Addresses
from motet.tools import answers
from witness import Witness
from world import World

STEP: Final = "host.work"


@pytest.fixture(scope="module")
def stage(provisioned: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostStage]:
    """One stage for the file; each test says which hosts it wants."""
    directory = tmp_path_factory.mktemp("host")
    witness = Witness.start(directory)
    made = HostStage(World(provisioned, directory), witness)
    try:
        yield made
    finally:
        made.world.close()
        witness.stop()


@pytest.fixture
def forger(stage: HostStage) -> Iterator[HostForger]:
    """A forger, and a host that takes what it sends."""
    stage.host()
    made = HostForger(stage, "forged")
    yield made
    made.close()


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


@pytest.mark.parametrize("event", ["the connection is lost", "another replica comes"])
def test_what_runs_outlives_its_handler(stage: HostStage, event: str) -> None:
    """The process lives, and so does the attempt: it is neither run twice nor in doubt, and its end is told."""
    first = stage.host()
    domain = stage.domain_of((0,))
    submitted = stage.client.submit(
        [Call("host.mail", {"query": "?delay=3"}), Call("host.charge", {"query": "?delay=3"})], domain=domain
    )
    stage.await_intents(submitted.plan_id, 2)
    keys = [key_of(stage, submitted.plan_id, index) for index in range(2)]
    for key in keys:
        stage.witness.await_effects(1, key)
    claims = first.said().count('"shards claimed"'), first.said().count('"shard let go"')
    if event == "the connection is lost":
        stage.world.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'motet-tools-host-0'"
        )
        wait_until(lambda: first.said().count('"shard let go"') > claims[1], SECONDS, "the shards are let go")
    else:
        stage.another(1)
        wait_until(lambda: first.said().count('"shards claimed"') > claims[0], SECONDS, "the shards are dealt anew")
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


# -- keys and windows ----------------------------------------------------------------------------------------------------------


def test_two_identical_calls_are_two_calls(stage: HostStage) -> None:
    """Two keys, two effects; the plan that is submitted again is one plan, and adds none."""
    stage.host()
    calls = [Call("host.charge", {"note": "same"})] * 2
    submitted = stage.client.submit(calls, idempotency_key="twice")
    assert submitted.wait(SECONDS).status == "SUCCEEDED"
    assert stage.client.submit(calls, idempotency_key="twice").wait(SECONDS).repeated
    wait_until(
        lambda: (
            len(stage.world.sql("SELECT 1 FROM motet.effects WHERE plan_id = %s AND key <> ''", (submitted.plan_id,)))
            == 2
        ),
        SECONDS,
        "two effects in SQL",
    )
    rows = stage.world.sql("SELECT key FROM motet.effects WHERE plan_id = %s", (submitted.plan_id,))
    assert len({key for (key,) in rows}) == 2
    assert [len(stage.witness.effects(key)) for (key,) in rows] == [1, 1]


def test_a_repeat_of_a_key_gets_the_first_result(stage: HostStage, forger: HostForger) -> None:
    """Within the tool's window nothing runs, and other arguments under the key are refused."""
    key = os.urandom(16).hex()
    forger.send(forger.invoke("charge", key, note="a"))
    assert forger.ends(1) == [(0, "SUCCEEDED", "200")]
    forger.send(forger.invoke("charge", key, attempt=2, note="a"), forger.invoke("charge", key, note="b"))
    assert forger.ends(3)[1:] == [(0, "SUCCEEDED", "200"), (0, "KEY_REUSED", None)]
    assert len(stage.witness.requests(key)) == 1


def test_a_repeat_while_the_first_runs_adds_nothing(stage: HostStage, forger: HostForger) -> None:
    """It runs once, its end is told once; other arguments are refused at once."""
    key = os.urandom(16).hex()
    same = [forger.invoke("mail", key, query="?delay=1") for _ in range(3)]
    forger.send(*same)
    stage.witness.await_effects(1, key)
    forger.send(forger.invoke("mail", key, query="?delay=1"), forger.invoke("mail", key, query=""))
    assert forger.ends(2) == [(0, "KEY_REUSED", None), (0, "SUCCEEDED", "200")]
    forger.send(forger.invoke("echo", os.urandom(16).hex(), index=1, text="behind it"))
    assert len(forger.ends(3)) == 3
    assert len(stage.witness.requests(key)) == 1


def test_a_key_twice_in_a_batch_is_one_effect(stage: HostStage, forger: HostForger) -> None:
    """Also within the hop's own transaction: the second is answered by what came of the first."""
    key = os.urandom(16).hex()
    forger.send(*[forger.invoke("enter", key, text="x") for _ in range(5)], forger.invoke("enter", key, text="y"))
    assert forger.ends(6) == [(0, "SUCCEEDED", "1")] * 5 + [(0, "KEY_REUSED", None)]
    assert stage.world.sql("SELECT count(*) FROM tools_host.entry WHERE key = %s", (key,)) == [(1,)]


def test_after_its_window_a_key_may_run_again(stage: HostStage, forger: HostForger) -> None:
    """The window counts by the log's time."""
    key = os.urandom(16).hex()
    forger.send(forger.invoke("brief", key, note="a"))
    forger.ends(1)
    over = "SELECT expires_at < extract(epoch FROM clock_timestamp()) * 1000 FROM tools_host_hop.answer WHERE key = %s"
    wait_until(lambda: stage.world.sql(over, (key,)) in ([(True,)], []), SECONDS, "the window is over")
    forger.send(forger.invoke("brief", key, note="a"))
    assert forger.ends(2) == [(0, "SUCCEEDED", "200")] * 2
    assert len(stage.witness.requests(key)) == 2


def test_a_commands_key_is_known_for_its_window(stage: HostStage) -> None:
    """Within it the first answer, and other content is refused; after it the key is new."""
    stage.host()
    calls, others = [Call("host.echo", {"text": "one"})], [Call("host.echo", {"text": "two"})]
    first = stage.client.submit(calls, idempotency_key="window", domain="window")
    assert not first.wait(SECONDS).repeated
    assert stage.client.submit(calls, idempotency_key="window", domain="window").wait(SECONDS).repeated
    refused = stage.client.submit(others, idempotency_key="window", domain="window").wait(SECONDS)
    assert [one.code for one in refused.reasons] == ["KEY_REUSED"]
    # Thirty days pass.
    stage.world.sql(
        "UPDATE coordinator.command SET answered_at = answered_at - 2592000000 WHERE plan_id = %s RETURNING 1",
        (first.plan_id,),
    )
    again = stage.client.submit(others, idempotency_key="window", domain="window").wait(SECONDS)
    assert (again.status, again.repeated) == ("SUCCEEDED", False)
    assert stage.client.submit(others, idempotency_key="window", domain="window").wait(SECONDS).repeated


# -- expiry --------------------------------------------------------------------------------------------------------------------

OLD: Final = 200_000
FILL: Final = {
    "tools_host_hop.answer": (
        "INSERT INTO tools_host_hop.answer (partition, key, arguments_sha256, result, expires_at) "
        "SELECT %s, 'old-' || n, '', '1', n FROM generate_series(1, %s) AS n"
    ),
    "coordinator.command": (
        "INSERT INTO coordinator.command (partition, key_digest, plan_id, command_sha256, status, answered_at) "
        "SELECT %s, 'old-' || n, '', '', 'ENDED', n FROM generate_series(1, %s) AS n"
    ),
}
COUNTED: Final = """
CREATE TABLE {schema}.gone (rows bigint NOT NULL);
CREATE FUNCTION {schema}.count_gone() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO {schema}.gone SELECT count(*) FROM old; RETURN NULL; END$$;
CREATE TRIGGER count_gone AFTER DELETE ON {table} REFERENCING OLD TABLE AS old
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.count_gone();
"""


@pytest.mark.parametrize(
    ("table", "expire", "index"),
    [
        ("tools_host_hop.answer", answers.EXPIRE, "answer_partition_expires_at_idx"),
        ("coordinator.command", commands.EXPIRE, "command_partition_answered_at_idx"),
    ],
    ids=["answers", "commands"],
)
def test_what_is_too_old_goes_in_bulk(stage: HostStage, table: str, expire: str, index: str) -> None:
    """A bounded number of rows a hop, found by the index, until none is left, while calls go on."""
    stage.host()
    schema, name = table.split(".")
    shard = partition_of(domain_key(stage.world.tenant, "main"), PARTITIONS)
    with psycopg.connect(stage.world.addresses.postgres, autocommit=True) as connection:
        connection.execute(COUNTED.format(schema=schema, table=table).encode())
        connection.execute(FILL[table].encode(), (shard, OLD))
        plan = connection.execute(
            b"EXPLAIN " + expire.replace(f"FROM {name}", f"FROM {table}").encode(), (shard, OLD + 1, ROWS_AT_ONCE)
        ).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert index in text
    assert "Seq Scan" not in text

    def emptied() -> bool:
        outcome = stage.client.run([Call("host.echo", {"text": "on"})])
        assert outcome.status == "SUCCEEDED"
        return bool(stage.world.sql(f"SELECT coalesce(sum(rows), 0) >= {OLD} FROM {schema}.gone")[0][0])

    wait_until(emptied, SECONDS, "the old rows are gone")
    ((most, rows),) = stage.world.sql(f"SELECT max(rows), sum(rows) FROM {schema}.gone")
    assert most <= ROWS_AT_ONCE
    assert rows >= OLD
    key = "key" if name == "answer" else "key_digest"
    assert stage.world.sql(f"SELECT count(*) FROM {table} WHERE {key} LIKE 'old-%%'") == [(0,)]
    with psycopg.connect(stage.world.addresses.postgres, autocommit=True) as connection:
        connection.execute(f"DROP FUNCTION {schema}.count_gone() CASCADE; DROP TABLE {schema}.gone".encode())


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
