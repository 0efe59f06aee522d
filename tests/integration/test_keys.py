"""Keys of effects and of commands: repeats within their window, after it, at once; and rows that are too old for any."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import psycopg
import pytest

from host_stage import PARTITIONS, SECONDS, HostForger, HostStage, staged
from motet.chassis import database
from motet.chassis.expiry import ROWS_AT_ONCE
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.waiting import wait_until
from motet.client import Call
from motet.hosting import commands
from motet.platform import Addresses
from motet.tools import answers


@pytest.fixture(scope="module")
def stage(provisioned: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostStage]:
    """One stage for the file; each test says which hosts it wants."""
    with staged(provisioned, tmp_path_factory.mktemp("host")) as made:
        yield made


@pytest.fixture
def forger(stage: HostStage) -> Iterator[HostForger]:
    """A forger, and a host that takes what it sends."""
    stage.host()
    made = HostForger(stage, "forged")
    yield made
    made.close()


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
    stage.stop_hosts()
    forger.send(*[forger.invoke("enter", key, text="x") for _ in range(5)], forger.invoke("enter", key, text="y"))
    # All of them are there when it starts.
    stage.host()
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


def test_after_its_window_the_same_command_is_a_new_run(stage: HostStage) -> None:
    """It has the name that it had, so the projections tell of the new run, and the domain goes on."""
    stage.host()
    calls = [Call("host.echo", {"text": "again"})]
    first = stage.client.submit(calls, idempotency_key="anew", domain="anew")
    assert not first.wait(SECONDS).repeated
    old = "UPDATE coordinator.command SET answered_at = answered_at - 2592000000 WHERE plan_id = %s RETURNING 1"
    stage.world.sql(old, (first.plan_id,))
    stage.world.await_no_lag("projector")
    # While the new run is open it has no end.
    ended_at = "SELECT coalesce(ended_at, to_timestamp(0)) FROM motet.plans WHERE plan_id = %s"
    before = stage.world.sql(ended_at, (first.plan_id,))
    second = stage.client.submit(calls, idempotency_key="anew", domain="anew")
    assert second.plan_id == first.plan_id
    assert not second.wait(SECONDS).repeated
    wait_until(lambda: stage.world.sql(ended_at, (first.plan_id,)) > before, SECONDS, "the new run is told")
    assert stage.world.sql("SELECT status FROM motet.calls WHERE plan_id = %s", (first.plan_id,)) == [("SUCCEEDED",)]
    letters = "SELECT reason FROM motet.dead_letters WHERE tenant = %s AND domain = 'anew'"
    assert stage.world.sql(letters, (stage.world.tenant,)) == []


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
        ("tools_host_hop.answer", answers.EXPIRE, "answer_expires"),
        ("coordinator.command", commands.EXPIRE, "command_partition_answered_at_idx"),
    ],
    ids=["answers", "commands"],
)
def test_what_is_too_old_goes_in_bulk(stage: HostStage, table: str, expire: str, index: str) -> None:
    """A bounded number of rows a hop, found by the index, until none is left, while calls go on."""
    stage.host()
    schema, name = table.split(".")
    shard = partition_of(domain_key(stage.world.tenant, "main"), PARTITIONS)
    # As a service plans it.
    with psycopg.connect(stage.world.addresses.postgres, autocommit=True, options=database.BY_KEY) as connection:
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
