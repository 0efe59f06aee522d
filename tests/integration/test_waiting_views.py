"""`resources` and `why_waiting` on a real database say what the queues of a schedule have, whatever went wrong before."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import psycopg
import pytest

from motet.chassis.service import Received
from motet.platform import Addresses
from motet.projector import surface
from motet.projector.fold import fold
from motet.projector.writer import Writer
from motet.records import (
    AdmittedCall,
    CallsStarted,
    Claim,
    Meta,
    PlanAdmitted,
    PlanEnded,
    Policy,
    QuarantineResources,
    ReleaseResources,
    ReserveResources,
    ResourcesGranted,
    ResourcesRefused,
)
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


@contextmanager
def surface_of(addresses: Addresses) -> Iterator[Writer]:
    """A writer to tables of its own."""
    schema = f"waiting_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(addresses.postgres, autocommit=True) as connection:
        surface.create(connection, schema)
        try:
            yield Writer(connection, schema)
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())


@pytest.mark.timeout(120)
def test_the_views_say_who_holds_and_who_waits_and_why(addresses: Addresses) -> None:
    """A sample of the histories of `test_waiting_laws.py`, cut into batches of any size."""
    for number in range(STORMS):
        with surface_of(addresses) as writer:
            storm = Written(Random(number), writer)  # noqa: S311  no secret
            for _ in range(INPUTS):
                storm.happen()
            storm.calm_down()
            assert storm.compared > 3, "nothing was compared"


HYBRID, OTHER, LOCAL = "a-h", "b-h", "c"


def meta(hlc: int) -> Meta:
    """What an event says of itself; its clock is its time."""
    return Meta(f"e{hlc}", "c", "cause", "acme", "d", hlc, hlc, None)


def admitted(hlc: int, plan_id: str, *claims: Claim) -> PlanAdmitted:
    """A plan of one call."""
    one = AdmittedCall("c0", "t.a", 1, "{}", "sha", (), claims, "IDEMPOTENT", approval=False)
    return PlanAdmitted(meta(hlc), plan_id, "k", "agent", "PLAN", "sha", (one,), Policy(), 9_000)


def test_a_hybrid_plan_is_one_in_the_coordinators_lines(addresses: Addresses) -> None:
    """From its request on: behind whom it waits, a whole among them, that it has no answer, what it holds, its doubt, and that it gave back."""
    whole, part = Claim("item:*", "WRITE"), Claim("item:a", "WRITE")
    with surface_of(addresses) as writer:

        def told(*records: Any) -> tuple[set[Any], set[Any]]:
            batch = [Received("t", 0, at, b"", b"", at, one, "") for at, one in enumerate(records)]
            writer.write(fold(batch))
            uses = "SELECT plan_id, index, resource, state FROM {}.resources"
            why = "SELECT plan_id, index, reason, what, behind_plan, behind_index FROM {}.why_waiting"
            found = [writer.connection.execute(one.format(writer.schema).encode()).fetchall() for one in (uses, why)]
            return set(found[0]), set(found[1])

        told(admitted(1, LOCAL, whole), CallsStarted(meta(2), LOCAL, (0,), ()))
        told(admitted(3, HYBRID, part), admitted(4, OTHER, part))
        uses, why = told(
            ReserveResources(meta(5), HYBRID, (part,), "WAIT", 9_000),
            ReserveResources(meta(6), OTHER, (part,), "WAIT", 9_000),
        )
        outside = {(HYBRID, 0, "item:a", "AWAITS_RESERVATION"), (OTHER, 0, "item:a", "AWAITS_RESERVATION")}
        holder = (LOCAL, 0, "item:*", "HOLDS")
        assert uses == {holder, *outside, (HYBRID, -1, "item:a", "WAITS"), (OTHER, -1, "item:a", "WAITS")}
        unanswered = {
            (one, 0, "RESERVATION", "the coordinator has not granted it yet", None, None) for one in (HYBRID, OTHER)
        }
        behind = (OTHER, 0, "RESOURCE", "item:a waits", HYBRID, -1)
        assert why == unanswered | {behind} | {
            (one, 0, "RESOURCE", "item:* holds", LOCAL, 0) for one in (HYBRID, OTHER)
        }
        # The answer is there before the tables know that what was in the way has ended.
        uses, why = told(ResourcesGranted(meta(7), HYBRID))
        assert {(HYBRID, 0, "item:a", "HOLDS"), (HYBRID, -1, "item:a", "HOLDS")} <= uses
        assert not [one for one in why if one[0] == HYBRID]
        told(PlanEnded(meta(8), LOCAL, "k", "agent", "SUCCEEDED", (), "sha", ()))
        uses, why = told(QuarantineResources(meta(9), HYBRID, "c0"))
        assert (HYBRID, -1, "item:a", "QUARANTINE") in uses
        assert {one for one in why if one[2] == "RESOURCE"} == {(OTHER, 0, "RESOURCE", "item:a quarantine", HYBRID, -1)}
        told(QuarantineResources(meta(10), HYBRID, ""), ReleaseResources(meta(11), HYBRID))
        uses, why = told(PlanEnded(meta(12), HYBRID, "k", "agent", "SUCCEEDED", (), "sha", ()))
        assert uses == {(OTHER, 0, "item:a", "AWAITS_RESERVATION"), (OTHER, -1, "item:a", "WAITS")}
        assert {one[2] for one in why} == {"RESERVATION"}
        uses, why = told(ResourcesRefused(meta(13), OTHER, "TOO_MANY_RESERVATIONS", "too many"))
        assert (uses, why) == ({(OTHER, 0, "item:a", "HOLDS")}, set())
