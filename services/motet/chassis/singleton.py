"""Singleton jobs: who owns a job's partition leads it, and the partition's epoch is its token.

Kafka's group gives each partition to one member; each claim raises the epoch on the shard's row, also when the same process claims again.
That alone would elect two leaders while a paused one has not heard that it is none. So each act is one transaction that first locks the row
and compares the epoch: whoever is not its owner any more is refused, and a new owner's claim waits until an act that has begun is done, or
until PostgreSQL has ended the transaction of a leader that was paused in it. Two effective leaders are impossible, whatever the group says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import psycopg

from motet.chassis import guard
from motet.chassis.errors import Fenced
from motet.chassis.identity import partition_of
from motet.chassis.job import Job, Lead
from motet.chassis.shard import Shard
from motet.chassis.tenure import Tenure

LOST: Final = (Fenced, psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
OWN: Final = "SELECT epoch FROM shard WHERE partition = %s FOR UPDATE"
SHOW: Final = (
    "INSERT INTO leader AS l (job, partition, token, replica, since, acted_at) VALUES (%s, %s, %s, %s, now(), now()) "
    "ON CONFLICT (job) DO UPDATE SET partition = excluded.partition, token = excluded.token, replica = excluded.replica, "
    "acted_at = excluded.acted_at, since = CASE WHEN l.token = excluded.token THEN l.since ELSE excluded.since END "
    "WHERE l.token <= excluded.token OR l.partition <> excluded.partition"
)


class Jobs:
    """A service's singleton jobs in one of its processes."""

    def __init__(self, jobs: tuple[Job, ...], partitions: int, replica: int, log: Any) -> None:
        self.jobs, self.partitions, self.replica, self.log = jobs, partitions, replica, log
        self.due: dict[str, float] = {}

    def run(
        self, tenures: Mapping[int, Tenure], connection: psycopg.Connection[Any], now: float
    ) -> list[tuple[int, str]]:
        """Does what is due of what this process leads; the shards that it lost, each with the reason."""
        lost: list[tuple[int, str]] = []
        for job in self.jobs:
            number = partition_of(job.name.encode(), self.partitions)
            if number not in tenures or now < self.due.get(job.name, 0.0):
                continue
            self.due[job.name] = now + job.every_seconds
            try:
                end = guard.attempt(partial(act, connection, tenures[number].shard, job, self.replica), LOST)
            except LOST as error:
                lost.append((number, str(error)))
            else:
                if isinstance(end, guard.Raised):
                    self.log.error("job failed", job=job.name, reason=end.text)
        return lost


def act(connection: psycopg.Connection[Any], shard: Shard, job: Job, replica: int) -> None:
    """One act of a job's leader. Raises Fenced if this process is its leader no more: nothing was done then."""
    with connection.transaction():
        row = connection.execute(OWN, (shard.partition,)).fetchone()
        if row is None or row[0] != shard.epoch:
            found = None if row is None else row[0]
            raise Fenced(f"job {job.name}: token {shard.epoch} is stale, shard {shard.partition} has {found}")
        connection.execute(SHOW, (job.name, shard.partition, shard.epoch, replica))
        job.work(Lead(connection, shard.epoch, shard.clock.now()))
