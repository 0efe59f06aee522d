"""What parallel calls were worth: exact figures from events whose times a test gives, and counts from a real run, as `docs/roi.md` shows it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import typer
from psycopg.rows import dict_row
from typer.testing import CliRunner

from guide import typed
from motet.chassis.errors import ConfigurationError
from motet.chassis.service import Received
from motet.cli.returns import roi
from motet.client import Budget, Call, Policy
from motet.platform import Addresses
from motet.projector import surface
from motet.projector.fold import fold
from motet.projector.writer import Writer
from motet.records import (
    AdmittedCall,
    AttemptsEnded,
    CallOutcome,
    CallsCommitted,
    CallsFinished,
    CallsStarted,
    CommandRepeated,
    CommittedCall,
    EndedAttempt,
    Meta,
    PlanAdmitted,
    PlanEnded,
)
from world import World

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "roi.md").read_text()
TENANT: Final = "bakery"
DAY: Final = 1_774_000_000_000
app = typer.Typer()
app.command("roi")(roi)


class Story:
    """Events of one plan, each with the time that a test gives, in milliseconds after its admission."""

    def __init__(self, plan_id: str, calls: int, begin: int = DAY, tenant: str = "acme") -> None:
        self.plan_id = plan_id
        self.begin = begin
        self.tenant = tenant
        self.records: list[Any] = []
        admitted = tuple(
            AdmittedCall(f"c{index}", "t.a", 1, "{}", "sha", (), (), "IDEMPOTENT", approval=False)
            for index in range(calls)
        )
        self.say(0, PlanAdmitted, "key", "agent", "PLAN", "sha", admitted)

    def say(self, after: int, kind: Any, *fields: Any) -> None:
        """A record about the plan; what gives calls their place has the last result as its cause."""
        at, number = self.begin + after, len(self.records)
        results = [one.meta.event_id for one in self.records if isinstance(one, CallsFinished)]
        cause = results[-1] if kind is CallsCommitted and results else "motet.commands:0:1"
        meta = Meta(f"{self.plan_id}{number}", "c", cause, self.tenant, "d", (at << 16) + number, at)
        self.records.append(kind(meta, self.plan_id, *fields))

    def commit(self, after: int, *indexes: int, outcome: CallOutcome = "SUCCEEDED", attempt: int = 1) -> None:
        """Calls take their place."""
        calls = tuple(CommittedCall(index, outcome, None, None, None, "key", attempt) for index in indexes)
        self.say(after, CallsCommitted, calls)

    def end(self, after: int) -> None:
        """The plan ends."""
        self.say(after, PlanEnded, "key", "agent", "SUCCEEDED", (), "sha", ())


@contextmanager
def told(addresses: Addresses, *stories: Story) -> Iterator[psycopg.Connection[Any]]:
    """Tables of their own, once everything was told."""
    schema = f"roi_{uuid.uuid4().hex[:12]}"
    records = [record for story in stories for record in story.records]
    batch = [Received("motet.events", 0, at, b"", b"", at, one, "") for at, one in enumerate(records)]
    with psycopg.connect(addresses.postgres, row_factory=dict_row) as connection:
        surface.create(connection, schema)
        Writer(connection, schema).write(fold(batch))
        connection.execute(f"SET LOCAL search_path = {schema}".encode())
        yield connection
        connection.rollback()


def one_by_plan(connection: psycopg.Connection[Any], query: str) -> list[dict[str, Any]]:
    """Rows."""
    return connection.execute(query.encode()).fetchall()


def test_calls_count_as_long_as_they_took(addresses: Addresses) -> None:
    """Three calls at once, of 0.9, 0.3 and 0.6 s: the first one's end gives all their place, and of the others the earliest end counts."""
    story = Story("p", 3)
    story.say(100, CallsStarted, (0, 1, 2))
    for after in (400, 700, 1_000):
        story.say(after, CallsFinished, ())
    story.commit(1_000, 0, 1, 2)
    story.end(1_000)
    with told(addresses, story) as connection:
        rows = one_by_plan(
            connection, "SELECT index, round(seconds::numeric, 3)::float8 AS seconds, known FROM call_times"
        )
        assert sorted((row["index"], row["seconds"], row["known"]) for row in rows) == [
            (0, 0.9, True),
            (1, 0.3, False),
            (2, 0.3, False),
        ]
        (row,) = one_by_plan(connection, "SELECT * FROM roi")
    assert (row["plans"], row["plans_ended"], row["calls"]) == (1, 1, 3)
    assert [round(row[name], 6) for name in ("serial_seconds", "plan_seconds", "busy_seconds")] == [1.5, 1.0, 1.0]
    assert [round(row[name], 6) for name in ("speed_up", "seconds_saved", "throughput_gain")] == [1.5, 0.5, 1.5]


def test_each_call_with_a_place_of_its_own_is_known_exactly(addresses: Addresses) -> None:
    """Results in the plan's order, and of one record's calls all: nothing is left out."""
    apart, together = Story("p", 2), Story("q", 2)
    apart.say(0, CallsStarted, (0, 1))
    for index, after in enumerate((500, 800)):
        apart.say(after, CallsFinished, ())
        apart.commit(after, index)
    apart.end(800)
    together.say(0, CallsStarted, (0, 1))
    # In the hop's own transaction: a result's own time is that of what asked for it.
    together.say(100, CallsFinished, ())
    together.commit(300, 0, 1)
    together.end(300)
    with told(addresses, apart, together) as connection:
        rows = one_by_plan(connection, "SELECT plan_id, index, seconds, known FROM call_times ORDER BY 1, 2")
    assert [(row["plan_id"], row["index"], row["seconds"], row["known"]) for row in rows] == [
        ("p", 0, 0.5, True),
        ("p", 1, 0.8, True),
        ("q", 0, 0.3, True),
        ("q", 1, 0.3, True),
    ]


def test_plans_at_once_are_busy_together_and_an_open_one_takes_no_time(addresses: Addresses) -> None:
    """Two plans of 1 s that overlap by half, and one that never ends: 2 s of plans, in 1.5 s, of which the open one's call has none."""
    stories = [Story("p", 1), Story("q", 1, begin=DAY + 500), Story("r", 2)]
    for story in stories:
        story.say(0, CallsStarted, (0,))
        story.say(1_000, CallsFinished, ())
        story.commit(1_000, 0)
    for story in stories[:2]:
        story.end(1_000)
    with told(addresses, *stories) as connection:
        (row,) = one_by_plan(connection, "SELECT * FROM roi")
    assert (row["plans"], row["plans_ended"], row["calls"]) == (3, 2, 3)
    assert (row["serial_seconds"], row["plan_seconds"], row["busy_seconds"]) == (2.0, 2.0, 1.5)
    assert round(row["throughput_gain"], 4) == 1.3333


def test_a_call_takes_its_attempts_with_it_and_a_doubt_ends_it(addresses: Addresses) -> None:
    """Tried again after 0.4 s it took 0.9 s and was absorbed; what was in doubt after 0.2 s took that, however long it was not settled."""
    again, doubt = Story("p", 1), Story("q", 1)
    for story in (again, doubt):
        story.say(0, CallsStarted, (0,))
        story.say(200, CallsFinished, ())
    attempt = EndedAttempt(0, 1, "FAILED", None, None, "RETRY", DAY + 400)
    again.say(200, AttemptsEnded, (attempt,))
    again.say(400, CallsStarted, (0,), (2,))
    again.say(900, CallsFinished, ())
    again.commit(900, 0, attempt=2)
    again.end(900)
    again.say(950, CommandRepeated, "key", "agent", "SUCCEEDED")
    doubt.say(200, AttemptsEnded, (EndedAttempt(0, 1, "IN_DOUBT", None, None, "IN_DOUBT", None),))
    doubt.commit(3_600_000, 0, outcome="IN_DOUBT")
    doubt.end(3_600_000)
    with told(addresses, again, doubt) as connection:
        rows = one_by_plan(connection, "SELECT plan_id, seconds, known FROM call_times ORDER BY 1")
        (row,) = one_by_plan(connection, "SELECT * FROM roi")
    assert [(row["plan_id"], row["seconds"], row["known"]) for row in rows] == [("p", 0.9, True), ("q", 0.2, True)]
    counts = ("retries_absorbed", "attempts_repeated", "commands_repeated", "calls_spared", "in_doubt_caught")
    assert [row[name] for name in counts] == [1, 1, 1, 1, 1]


def test_days_and_tenants_are_apart(addresses: Addresses) -> None:
    """A line for each, by the day of admission in UTC; a tenant's reader sees its own."""
    # The last one an hour before midnight in UTC, where it is tomorrow elsewhere.
    late = DAY + 13 * 3_600_000
    stories = [Story("p", 1), Story("q", 1, begin=DAY + 86_400_000), Story("r", 1, begin=late, tenant="other")]
    with told(addresses, *stories) as connection:
        days = "SELECT tenant, day::text, plans FROM roi ORDER BY 1, 2"
        everything = [tuple(row.values()) for row in one_by_plan(connection, days)]
        assert everything == [("acme", "2026-03-20", 1), ("acme", "2026-03-21", 1), ("other", "2026-03-20", 1)]
        connection.execute("SELECT set_config('motet.tenant', 'other', true)")
        connection.execute(f"SET LOCAL ROLE {surface.TENANT_ROLE}".encode())
        assert [tuple(row.values()) for row in one_by_plan(connection, days)] == everything[2:]
        assert one_by_plan(connection, "SELECT * FROM call_times") == []


@pytest.fixture(scope="module")
def bakery(shared_world: World) -> World:
    """Four calls at once, one that is tried again under a budget, one in doubt, one command that comes again."""
    shared_world.coordinator()
    shared_world.projector()
    shared_world.tools("roi_tools")
    looks = [Call("roi.look", {"city": city}) for city in ("Rome", "Oslo", "Lima", "Bern")]
    with shared_world.client() as client:
        for _ in range(2):
            assert client.run(looks, tenant=TENANT, idempotency_key="looks").status == "SUCCEEDED"
        budget = Policy(budget=Budget(cost="0.50"))
        assert client.run([Call("roi.book", {"city": "Rome"})], tenant=TENANT, policy=budget).status == "SUCCEEDED"
        in_doubt = Policy(in_doubt="end")
        assert client.run([Call("roi.mail", {"city": "Rome"})], tenant=TENANT, policy=in_doubt).status == "IN_DOUBT"
        looked = client.run(looks[:1], tenant=f"{TENANT}-2")
        assert looked.status == "SUCCEEDED"
    shared_world.await_no_lag("coordinator", "projector", "tools-roi")
    return shared_world


def asked(world: World, monkeypatch: pytest.MonkeyPatch, command: str) -> str:
    """What a command of the page prints."""
    for name, value in world.addresses.environment().items():
        monkeypatch.setenv(name, value)
    program, roi_, *words = command.split()
    assert (program, roi_) == ("motet", "roi")
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_real_run_is_counted_exactly(bakery: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans, calls, retries, repeats, doubts and cost, in SQL and for programs; and calls at once took more together than the longest alone."""
    found = json.loads(asked(bakery, monkeypatch, f"motet roi --tenant {TENANT} --json"))
    (row,) = found["tenants"]
    counts = {
        "plans": 3,
        "plans_ended": 3,
        "calls": 6,
        "retries_absorbed": 1,
        "attempts_repeated": 1,
        "commands_repeated": 1,
        "calls_spared": 4,
        "in_doubt_caught": 1,
        "late_results": 0,
        "stale_writes_refused": 0,
        "calls_undone": 0,
        # The budget counted 0.04 and 30 tokens of the booking; the letter has its contract's price.
        "cost_micros": 60_000,
        "cost_micros_per_call": 10_000,
        "tokens": 37,
        "plans_counted": 1,
    }
    assert {name: row[name] for name in counts} == counts
    assert found["total"] == {**row, "tenant": "total"}
    looks = bakery.sql(
        "SELECT t.seconds FROM motet.call_times AS t JOIN motet.plans AS p USING (plan_id) WHERE p.tenant = %s AND p.idempotency_key = 'looks'",
        (TENANT,),
    )
    assert len(looks) == 4
    assert row["serial_seconds"] > sum(seconds for (seconds,) in looks) > max(looks)[0] > 0


def test_several_tenants_have_a_total_without_a_currency(bakery: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a column; counts add up, and what they cost does not."""
    everything = json.loads(asked(bakery, monkeypatch, "motet roi --json"))
    rows = [row for row in everything["tenants"] if row["tenant"].startswith(TENANT)]
    assert [(row["tenant"], row["plans"], row["cost_micros"]) for row in rows] == [
        (TENANT, 3, 60_000),
        (f"{TENANT}-2", 1, 0),
    ]
    assert everything["total"]["calls"] == sum(row["calls"] for row in everything["tenants"])
    assert everything["total"]["cost_micros"] is None
    assert f"{TENANT}-2" in asked(bakery, monkeypatch, "motet roi")


def test_days_without_plans_and_days_that_run_backwards(bakery: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is said, the other refused."""
    said = asked(bakery, monkeypatch, "motet roi --since 2020-01-01 --until 2020-01-31")
    assert said == "no plan was admitted from 2020-01-01 to 2020-01-31 (UTC)\n"
    with pytest.raises(ConfigurationError, match="no day lies between 2020-01-02 and 2020-01-01"):
        asked(bakery, monkeypatch, "motet roi --since 2020-01-02 --until 2020-01-01")


def test_the_page_says_what_the_screen_says(bakery: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`docs/roi.md` shows this very run."""
    commands = list(typed(PAGE))
    assert commands
    for one in commands:
        printed = asked(bakery, monkeypatch, one.command)
        assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"
