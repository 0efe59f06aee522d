"""Fencing tokens where effects are written: in a toolset's own schema, and in anybody's own tables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from motet.client import Call, Client
from motet.leases import StaleToken, fence, prepare
from world import World

SECONDS: Final = 40.0
HOLDER: Final = Path(__file__).parent / "paused_holder.py"
SERVICES: Final = Path(__file__).resolve().parents[2] / "services"


@pytest.fixture(scope="module")
def client(shared_world: World) -> Iterator[Client]:
    """A client; coordinator, lease service and the fenced tools run."""
    shared_world.coordinator()
    shared_world.leases()
    shared_world.tools("fenced_tools")
    with shared_world.client("shop") as made:
        yield made


@pytest.fixture(scope="module")
def own_tables(shared_world: World) -> str:
    """PostgreSQL's address, with tables of one's own: names resolve in a schema that is nobody else's."""
    postgres = shared_world.addresses.postgres
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS somebody")
    return f"{postgres}?options=-csearch_path%3Dsomebody"


def run(client: Client, tool: str, token: int, **arguments: Any) -> tuple[Any, str]:
    """A call under a lease: its result, or its error."""
    lease = {"resource": arguments.pop("resource", "account:1"), "token": token, **arguments.pop("scope", {})}
    (one,) = client.run([Call(tool, {"account": "1", **arguments, "lease": lease})]).results
    return (one.value, "") if one.error_code is None else (None, f"{one.error_code}: {one.error_message}")


def test_a_lower_token_than_one_that_was_seen_fails_whatever_the_effect_class(
    client: Client, shared_world: World
) -> None:
    """The highest token counts across tools of a toolset, and per scope; a call without a lease is none of its business."""
    assert run(client, "fenced.deposit", 3, amount=1) == (3, "")
    assert run(client, "fenced.deposit", 3, amount=1) == (3, "")
    stale = "STALE_TOKEN: stale token 2 for account:1: token 3 was seen"
    assert run(client, "fenced.deposit", 2, amount=1) == (None, stale)
    assert run(client, "fenced.tell", 2) == (None, stale)
    assert run(client, "fenced.tell", 5) == ("1 5", "")
    assert run(client, "fenced.deposit", 4, amount=1)[1] == "STALE_TOKEN: stale token 4 for account:1: token 5 was seen"
    assert run(client, "fenced.deposit", 1, amount=1, scope={"scope": "other"}) == (1, "")
    assert client.run([Call("fenced.tell", {"account": "1"})]).status == "SUCCEEDED"
    lease = {"resource": "account:1", "token": 0}
    assert client.run([Call("fenced.tell", {"account": "1", "lease": lease})]).status == "REJECTED"
    assert shared_world.sql("SELECT token FROM tools_fenced.entry WHERE account = '1' ORDER BY ctid") == [
        (3,),
        (3,),
        (1,),
    ]


def test_a_holder_that_was_paused_for_longer_than_its_lease_is_refused(
    client: Client, shared_world: World, own_tables: str
) -> None:
    """SIGSTOP, a new holder, SIGCONT: what it believed to hold, it cannot write with, neither through Motet nor in tables of its own."""
    environment = {**os.environ, **shared_world.addresses.environment(), "PYTHONPATH": str(SERVICES)}
    with psycopg.connect(own_tables) as connection:
        prepare(connection)
    with subprocess.Popen(
        [sys.executable, str(HOLDER), client.tenant, client.domain, own_tables],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as paused:
        assert paused.stdout is not None
        assert paused.stdin is not None
        token = json.loads(paused.stdout.readline())
        paused.send_signal(signal.SIGSTOP)
        lease = client.leases.of(holder="next").acquire(["account:42"], duration_seconds=60, wait_seconds=SECONDS)
        assert lease.token > token
        argument = {"resource": "account:42", "token": lease.token}
        assert (
            client.run([Call("fenced.deposit", {"account": "42", "amount": 5, "lease": argument})]).status
            == "SUCCEEDED"
        )
        with psycopg.connect(own_tables) as connection:
            fence(connection, "account:42", lease.token, client.domain)
        paused.send_signal(signal.SIGCONT)
        said = json.loads(paused.communicate("go on\n", timeout=SECONDS)[0])
    stale = f"stale token {token} for account:42: token {lease.token} was seen"
    assert said[:3] == [f"STALE_TOKEN: {stale}", f"STALE_TOKEN: {stale}", stale]
    assert said[3].startswith("NOT_HELD")
    assert shared_world.sql("SELECT amount, token FROM tools_fenced.entry WHERE account = '42'") == [(5, lease.token)]


def test_a_fence_commits_with_what_it_protects_and_lets_one_writer_pass_at_a_time(own_tables: str) -> None:
    """Rolled back it was never seen; a writer with a lower token that came at the same time waits, and is refused."""
    with psycopg.connect(own_tables) as first, psycopg.connect(own_tables) as second:
        prepare(first)
        first.commit()
        fence(first, "r", 9, "apart")
        first.rollback()
        fence(first, "r", 7, "apart")
        refused: list[StaleToken] = []

        def write() -> None:
            try:
                fence(second, "r", 6, "apart")
            except StaleToken as error:
                refused.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        first.commit()
        thread.join(SECONDS)
        assert [str(error) for error in refused] == ["stale token 6 for r: token 7 was seen"]
        second.rollback()
        second.autocommit = True
        with pytest.raises(ValueError, match="outside of a transaction"):
            fence(second, "r", 8, "apart")
        with second.transaction():
            fence(second, "r", 8, "apart")
        second.execute("DELETE FROM lease_fence WHERE scope = 'apart'")
