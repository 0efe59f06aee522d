"""Leaders of singleton jobs: handed over under SIGKILL and SIGSTOP, with never two that act."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from motet.chassis import database, shard, singleton
from motet.chassis.errors import Fenced
from motet.chassis.job import Job
from motet.chassis.waiting import wait_until
from world import World

SECONDS: Final = 60.0
SERVICE: Final = Path(__file__).parent / "singleton_service.py"
SERVICES: Final = Path(__file__).resolve().parents[2] / "services"


class Crew:
    """Three processes of a service, of which one leads."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self.logs = [directory / f"singletons-{replica}.log" for replica in range(3)]
        # Names the process that shall be paused in the midst of an act.
        self.pause = directory / "pause"
        self.processes: dict[int, tuple[int, subprocess.Popen[bytes]]] = {}
        for replica in range(3):
            self.start(replica)

    def start(self, replica: int) -> None:
        """Starts a replica. A second of silence is enough to lose its shards."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MOTET_")}
        environment |= {**self.world.addresses.environment(), "PYTHONPATH": str(SERVICES)}
        environment |= {
            "MOTET_REPLICA": str(replica),
            "MOTET_SESSION_TIMEOUT_MS": "1000",
            "ACTS_PAUSE": str(self.pause),
        }
        with self.logs[replica].open("ab") as log:
            child = subprocess.Popen([sys.executable, str(SERVICE)], env=environment, stdout=log, stderr=log)
        self.processes[child.pid] = (replica, child)

    def acts(self) -> list[tuple[int, int]]:
        """Token and process of each act, in the order in which they happened: the row that each locks puts them in one."""
        return self.world.sql("SELECT token, process FROM acts.act ORDER BY number")

    def await_leader(self, other_than: int = 0) -> int:
        """Waits until one process, and not that one, acts in peace: ten times under one token; its id."""

        def in_peace() -> bool:
            last = set(self.acts()[-10:])
            return len(self.acts()) >= 10 and len(last) == 1 and last.pop()[1] != other_than

        wait_until(in_peace, SECONDS, f"a leader that is not {other_than}")
        return self.acts()[-1][1]

    def close(self) -> None:
        """Ends all of them."""
        for _, child in self.processes.values():
            child.send_signal(signal.SIGCONT)
            child.terminate()
        for _, child in self.processes.values():
            child.wait(SECONDS)


@pytest.fixture
def crew(world: World, tmp_path: Path) -> Iterator[Crew]:
    """The three, and a table for what they do."""
    with psycopg.connect(world.addresses.postgres) as connection:
        connection.execute("DROP SCHEMA IF EXISTS acts CASCADE")
        connection.execute("CREATE SCHEMA acts")
        connection.execute("CREATE TABLE acts.act (number bigserial, token bigint NOT NULL, process integer NOT NULL)")
    made = Crew(world, tmp_path)
    yield made
    made.close()


@pytest.mark.timeout(200)
def test_a_leader_that_is_killed_or_paused_is_followed_by_another_and_never_beside_it(crew: Crew, world: World) -> None:
    """Every act writes its token: tokens never go back, no two processes share one, and a paused act is none."""
    killed = crew.await_leader()
    replica, child = crew.processes.pop(killed)
    child.kill()
    child.wait()
    crew.start(replica)
    paused = crew.await_leader(other_than=killed)
    crew.processes[paused][1].send_signal(signal.SIGSTOP)
    crew.await_leader(other_than=paused)
    crew.processes[paused][1].send_signal(signal.SIGCONT)
    # In the midst of an act: the next leader has to wait until PostgreSQL has ended it.
    inside = crew.await_leader()
    replica, child = crew.processes[inside]
    crew.pause.write_text(str(inside))
    wait_until(lambda: not crew.pause.exists(), SECONDS, "the leader is in the midst of an act")
    crew.await_leader(other_than=inside)
    before = len(crew.acts())
    child.send_signal(signal.SIGCONT)
    wait_until(lambda: "shard let go" in crew.logs[replica].read_text(), SECONDS, "who was paused in an act is refused")
    crew.await_leader()
    wait_until(lambda: len(crew.acts()) >= before + 20, SECONDS, "the work goes on")
    acts = crew.acts()
    tokens = [token for token, _ in acts]
    assert tokens == sorted(tokens), "a token went back"
    processes = {token: {process for one, process in acts if one == token} for token in set(tokens)}
    assert all(len(found) == 1 for found in processes.values()), "two processes share a token"
    assert len(processes) >= 4
    ((job, token, leading),) = world.sql("SELECT job, token, replica FROM singletons.leader")
    assert (job, token >= tokens[-1], leading in range(3)) == ("act", True, True)


def test_an_act_under_a_token_that_is_not_the_rows_is_none(world: World) -> None:
    """Whatever the group says: the row decides, in the transaction of the act."""
    database.migrate(world.addresses.postgres, "leaders_apart", ())
    with database.connect(world.addresses.postgres, "leaders_apart", "test") as connection:
        old = shard.claim(connection, 1, ())
        done: list[int] = []
        job = Job("apart", 1.0, lambda lead: done.append(lead.token))
        singleton.act(connection, old, job, 0)
        new = shard.claim(connection, 1, ())
        with pytest.raises(Fenced, match="token 1 is stale, shard 1 has 2"):
            singleton.act(connection, old, job, 0)
        singleton.act(connection, new, job, 7)
        assert done == [1, 2]
        rows = connection.execute("SELECT job, partition, token, replica FROM leader").fetchall()
        assert rows == [("apart", 1, 2, 7)]
        connection.execute("DROP SCHEMA leaders_apart CASCADE")
