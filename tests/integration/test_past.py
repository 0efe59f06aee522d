"""The tables of a moment, on real topics: built from them alone, cut where it is said, kept for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from motet.chassis.cuts import Place
from motet.chassis.errors import ConfigurationError
from motet.chassis.settings import Settings
from motet.chassis.waiting import wait_until
from motet.client import Call
from motet.projector import comparing, surface
from motet.projector.past import PREFIX, tables_at
from motet.projector.rebuild import live_ends
from motet.projector.tables import TABLES
from motet.projector.views import VIEWS
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


@pytest.fixture
def reader(told: World) -> Iterator[psycopg.Connection[Any]]:
    """Somebody who has SQL and nothing else, and only reads."""
    with psycopg.connect(told.addresses.postgres, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = on")
        connection.execute(f"SET ROLE {surface.READER}".encode())
        yield connection


def moment_of(world: World, key: str, kind: str) -> datetime:
    """When Kafka had an event of a plan."""
    ((at,),) = world.sql(
        "SELECT to_timestamp((l.hlc >> 16) / 1000.0) FROM motet.lineage AS l JOIN motet.plans AS p USING (plan_id) "
        "WHERE p.tenant = %s AND p.idempotency_key = %s AND l.type = %s",
        (world.tenant, key, kind),
    )
    assert isinstance(at, datetime)
    return at


def test_sql_alone_asks_for_a_moment(told: World, reader: psycopg.Connection[Any], settings: Settings) -> None:
    """The procedure has it built by the projector; the functions say what `motet at` says, and a tenant sees its own rows."""
    at = moment_of(told, "k1", "PlanEnded") + timedelta(milliseconds=1)
    built = reader.execute("CALL motet_past.build(%s)", (at,)).fetchone()
    with tables_at(settings, at, nothing) as past:
        assert built == (past.schema,)
        assert past.records == 0
    asked = "SELECT idempotency_key, status FROM motet_past.plans(%s) WHERE tenant = %s"
    found = dict(reader.execute(asked, (at, told.tenant)).fetchall())
    assert found == statuses(told, past.schema)
    assert {"k0", "k1"} <= set(found)
    assert "k2" not in found
    for one in (*TABLES, *VIEWS):
        count = f"SELECT count(*) FROM motet_past.{one.name}(%s)"
        assert (
            reader.execute(count.encode(), (at,)).fetchone()
            == reader.execute(f"SELECT count(*) FROM {past.schema}.{one.name}".encode()).fetchone()
        )
    reader.execute(f"RESET ROLE; SET ROLE {surface.TENANT_ROLE}".encode())
    assert reader.execute(asked, (at, told.tenant)).fetchall() == []
    reader.execute("SELECT set_config('motet.tenant', %s, false)", (told.tenant,))
    assert dict(reader.execute(asked, (at, told.tenant)).fetchall()) == found
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("CALL motet_past.build(%s)", (at,))


def test_a_moment_that_is_not_there_is_said(told: World, reader: psycopg.Connection[Any]) -> None:
    """One that nobody asked for, one that was forgotten, one that is still to come, and a projector that does not run."""
    never = datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(psycopg.errors.RaiseException, match="are not there") as caught:
        reader.execute("SELECT * FROM motet_past.plans(%s)", (never,))
    assert "CALL motet_past.build" in (caught.value.diag.message_hint or "")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="lies in the future"):
        reader.execute("CALL motet_past.build(%s)", (datetime.now(UTC) + timedelta(hours=1),))
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="lies before 1970"):
        reader.execute("CALL motet_past.build('-infinity')")
    (schema,) = reader.execute("CALL motet_past.build(%s)", (never,)).fetchone() or ("",)
    with psycopg.connect(told.addresses.postgres, autocommit=True) as owner:
        owner.execute(f"DROP SCHEMA {schema} CASCADE".encode())
    with pytest.raises(psycopg.errors.RaiseException, match="are not there"):
        reader.execute("SELECT * FROM motet_past.plans(%s)", (never,))
    assert reader.execute("CALL motet_past.build(%s)", (never,)).fetchone() == (schema,)
    assert reader.execute("SELECT count(*) FROM motet_past.plans(%s)", (never,)).fetchone() == (0,)
    told.running["projector"].stop()
    try:
        with pytest.raises(psycopg.errors.RaiseException, match="was not built within 1 s") as late:
            reader.execute("CALL motet_past.build(%s, seconds => 1)", (never - timedelta(days=1),))
        assert "motet status" in (late.value.diag.message_hint or "")
    finally:
        told.projector()
    # It was asked for, and is built by who comes next.
    reader.execute("CALL motet_past.build(%s)", (never - timedelta(days=1),))
