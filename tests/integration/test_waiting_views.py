"""`resources` and `why_waiting` on a real database say what the queues of a schedule have, whatever went wrong before."""

from __future__ import annotations

import uuid
from random import Random
from typing import Any

import psycopg
import pytest

from motet.platform import Addresses
from motet.projector import surface
from motet.projector.fold import fold
from motet.projector.writer import Writer
from told import ToldStorm
from waiting import Picture, truth

STORMS = 6
INPUTS = 60


class Written(ToldStorm):
    """A storm that is written to a database, a few inputs a batch, and compared then."""

    def __init__(self, chance: Random, writer: Writer) -> None:
        self.writer = writer
        self.compared = 0
        super().__init__(chance)

    def observe(self) -> None:
        """Writes what came since the last time, now and then."""
        super().observe()
        if self.chance.random() < 0.3:
            events = [one for batch in self.batches for one in batch]
            self.batches.clear()
            with self.writer.connection.transaction():
                self.writer.write(fold(events))
            said, so = shown(self.writer.connection, self.writer.schema), truth(self.desk.schedule)
            assert said.uses == so.uses
            assert said.reasons == so.reasons
            self.compared += bool(so.reasons)


def shown(connection: psycopg.Connection[Any], schema: str) -> Picture:
    """What the views show. What is not in line has no resource: it may not be known which."""
    uses = connection.execute(
        f"SELECT plan_id, index, compensation, resource, state FROM {schema}.resources".encode()
    ).fetchall()
    reasons = connection.execute(
        f"SELECT plan_id, index, compensation, reason, behind_plan, behind_index, behind_compensation FROM {schema}.why_waiting".encode()
    ).fetchall()
    return Picture(
        {((*who,), "" if state.startswith("AWAITS") else name): state for *who, name, state in uses},
        {(row[:3], row[3], row[4:] if row[4] else None) for row in reasons},
    )


@pytest.mark.timeout(120)
def test_the_views_say_who_holds_and_who_waits_and_why(addresses: Addresses) -> None:
    """A sample of the histories of `test_waiting_laws.py`, cut into batches of any size."""
    for number in range(STORMS):
        schema = f"waiting_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(addresses.postgres, autocommit=True) as connection:
            surface.create(connection, schema)
            try:
                storm = Written(Random(number), Writer(connection, schema))  # noqa: S311  no secret
                for _ in range(INPUTS):
                    storm.happen()
                storm.calm_down()
                assert storm.compared > 3, "nothing was compared"
            finally:
                connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
