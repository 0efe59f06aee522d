"""The tables of a moment, on real topics: built from them alone, cut where it is said, kept for a while."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import psycopg
import pytest

from motet.chassis.cuts import Place
from motet.chassis.errors import ConfigurationError
from motet.chassis.settings import Settings
from motet.chassis.waiting import wait_until
from motet.client import Call
from motet.projector import comparing
from motet.projector.past import PREFIX, tables_at
from motet.projector.rebuild import live_ends
from world import World

SECONDS = 20.0


def nothing(done: int, total: int) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def told(shared_world: World) -> World:
    """Three plans, one after the other, projected."""
    shared_world.coordinator()
    shared_world.projector()
    shared_world.tools("crash_tools")
    with shared_world.client() as client:
        for number in range(3):
            call = Call("crash.deposit", {"account": "p", "amount": 1})
            assert client.run([call], idempotency_key=f"k{number}").status == "SUCCEEDED"
    shared_world.await_no_lag("coordinator", "projector")
    return shared_world


def place_of(world: World, key: str, kind: str) -> Place:
    """Where an event of a plan stands."""
    ((partition, offset),) = world.sql(
        'SELECT l.partition, l."offset" FROM motet.lineage AS l JOIN motet.plans AS p USING (plan_id) '
        "WHERE p.tenant = %s AND p.idempotency_key = %s AND l.type = %s",
        (world.tenant, key, kind),
    )
    return Place("motet.events", partition, offset)


def statuses(world: World, schema: str) -> dict[str, str]:
    """The plans of this test in some schema, by key."""
    return dict(world.sql(f"SELECT idempotency_key, status FROM {schema}.plans WHERE tenant = %s", (world.tenant,)))


@pytest.mark.usefixtures("told")
def test_now_is_what_is_live(settings: Settings) -> None:
    """Cut where the live tables are, nothing differs from them, row by row."""

    def compared() -> bool:
        with (
            tables_at(settings, datetime.now(UTC), nothing) as past,
            psycopg.connect(settings.postgres_url) as connection,
        ):
            # What other tests left running may still say something: then the two are of different moments.
            if past.cut.ends != live_ends(connection):
                return False
            for table in comparing.COMPARED:
                assert comparing.counts(connection, table, "motet", past.schema, None) == {}, table.name
            return True

    wait_until(compared, SECONDS, "the live tables are at the end of their topics")


def test_each_record_is_a_moment(told: World, settings: Settings) -> None:
    """With that record, and none behind it."""
    wanted = {
        ("k0", "PlanAdmitted"): {"k0": "OPEN"},
        ("k0", "PlanEnded"): {"k0": "SUCCEEDED"},
        ("k1", "CallsStarted"): {"k0": "SUCCEEDED", "k1": "OPEN"},
        ("k2", "PlanEnded"): {"k0": "SUCCEEDED", "k1": "SUCCEEDED", "k2": "SUCCEEDED"},
    }
    for (key, kind), expected in wanted.items():
        with tables_at(settings, place_of(told, key, kind), nothing) as past:
            assert statuses(told, past.schema) == expected, (key, kind)


def test_a_time_is_a_moment(told: World, settings: Settings) -> None:
    """Everything that Kafka had by then: what it had at that very moment is in it."""
    at = told.sql("SELECT ended_at FROM motet.plans WHERE tenant = %s AND idempotency_key = 'k1'", (told.tenant,))[0][0]
    with tables_at(settings, at, nothing) as past:
        # The record of the end came after what caused it, whose time the row has.
        assert statuses(told, past.schema)["k0"] == "SUCCEEDED"
        assert "k2" not in statuses(told, past.schema)


def test_a_place_without_a_record_is_refused(told: World, settings: Settings) -> None:
    """The message says what there is."""
    last = place_of(told, "k2", "PlanEnded")
    with (
        pytest.raises(ConfigurationError, match=rf"no record at motet\.events:{last.partition}:9999.*has offsets 0 to"),
        tables_at(settings, Place("motet.events", last.partition, 9_999), nothing),
    ):
        pass
    with (
        pytest.raises(ConfigurationError, match=r"no partition 77 of motet\.events"),
        tables_at(settings, Place("motet.events", 77, 0), nothing),
    ):
        pass


def test_moments_are_kept_and_bounded(told: World, settings: Settings) -> None:
    """The same question is answered without reading; beyond the limit the oldest goes, unless somebody looks at it."""
    few = settings.model_copy(update={"kept_moments": 1})
    first, second = (place_of(told, key, "PlanEnded") for key in ("k0", "k1"))
    with tables_at(few, first, nothing) as looked_at:
        with tables_at(few, first, nothing) as again:
            assert (again.schema, again.records) == (looked_at.schema, 0)
        with tables_at(few, second, nothing) as other:
            assert kept(told) == {looked_at.schema, other.schema}
    with tables_at(few, place_of(told, "k2", "PlanEnded"), nothing) as last:
        assert kept(told) == {last.schema}


def test_two_at_once_build_it_once(told: World, settings: Settings) -> None:
    """The second one waits for the first, and reads what that one built."""
    place, read = place_of(told, "k0", "CallsCommitted"), []

    def look() -> None:
        with tables_at(settings, place, nothing) as past:
            read.append(past.records > 0)

    both = [threading.Thread(target=look) for _ in range(2)]
    for one in both:
        one.start()
    wait_until(lambda: len(read) == 2, SECONDS, "both have looked")
    for one in both:
        one.join()
    assert sorted(read) == [False, True]


def kept(world: World) -> set[str]:
    """The schemas of moments."""
    return {name for (name,) in world.sql("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (PREFIX,))}
