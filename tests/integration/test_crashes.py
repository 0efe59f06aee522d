"""The hop under SIGKILL at every labelled point, on the real broker and database: nothing lost, no effect twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from typing import Any, Final

import pytest

from motet.chassis import lanes
from motet.chassis.crashpoints import POINTS
from motet.chassis.message import Message
from motet.client import Call, Client, Mode, Submitted
from motet.records import PlanAdmitted, PlanEnded
from world import Process, World

# First and later hits. Points after a commit stand between the others: a shard that dies three times without progress becomes
# cautious, which is another test's subject.
IN_THE_LOOP: Final = (
    "batch-polled:1",
    "committed:1",
    "rows-moved:1",
    "produced:1",
    "decided:1",
    "acknowledged:1",
    "claimed:1",
    "offset-committed:1",
    "republished:1",
    "committed:5",
    "batch-polled:6",
    "produced:7",
    "rows-moved:5",
    "acknowledged:4",
    "decided:6",
    "offset-committed:5",
    "claimed:3",
    "committed:9",
    "republished:4",
)
# Where two hosts talk about resources.
BETWEEN_HOSTS: Final = (
    *("decided:2", "committed:3", "produced:4", "claimed:1", "acknowledged:2", "rows-moved:5", "republished:2"),
)
EFFECTS: Final = ("effect-started:1", "effect-done:1", "effect-started:5", "effect-done:4")
ACCOUNTS: Final = 6
SECONDS: Final = 90.0


def plans(client: Client, letters: int, modes: Sequence[Mode]) -> Iterator[Submitted]:
    """Plans without end, in modes by turns: deposits that conflict within and between them, and letters."""
    number = 0
    while True:
        calls = [
            Call("crash.deposit", {"account": f"a{(number + index) % ACCOUNTS}", "amount": number % 7 + 1})
            for index in range(3)
        ]
        calls += [Call("crash.send", {"text": f"{number}/{index}"}) for index in range(letters)]
        calls.append(Call("crash.deposit", {"account": f"a{number % ACCOUNTS}", "amount": 1}, after=["c0"]))
        mode = modes[number % len(modes)]
        yield client.submit(calls, idempotency_key=f"plan-{number}", domain=f"d{number % 3}", mode=mode)
        number += 1


def crash_everywhere(
    world: World,
    start: Callable[..., Process],
    points: tuple[str, ...],
    letters: int,
    modes: Sequence[Mode] = ("orchestrated",),
) -> list[Submitted]:
    """Starts a service again and again, each time killed at the next point while plans come in; at last it runs on."""
    report = world.directory / "hits"
    submitted: list[Submitted] = []
    source = plans(world.client(), letters, modes)
    for point in points:
        victim = start(MOTET_CRASH_AT=point, MOTET_CRASH_REPORT=str(report))
        while victim.child.poll() is None:
            submitted.append(next(source))
            wait([submitted[-1].future], timeout=0.05)
            assert len(submitted) < 3000, f"{point} was not reached:\n{victim.said()[-3000:]}"
        assert victim.child.returncode == -9, victim.said()[-3000:]
    assert report.read_text().split() == list(points), "every point was hit, in the order asked for"
    start()
    for one in submitted:
        outcome = one.wait(SECONDS)
        assert outcome.status == "SUCCEEDED", outcome
    return submitted


def check_effects(world: World, submitted: list[Submitted], letters: int) -> None:
    """Every effect once: one entry a deposit, balances that add up, one letter a send."""
    entries = world.sql("SELECT key, account, balance FROM tools_crash.entry WHERE tenant = %s", (world.tenant,))
    assert len(entries) == len(submitted) * 4
    assert max(Counter(key for key, _, _ in entries).values()) == 1
    amounts: dict[str, int] = defaultdict(int)
    for number in range(len(submitted)):
        for index in range(3):
            amounts[f"a{(number + index) % ACCOUNTS}"] += number % 7 + 1
        amounts[f"a{number % ACCOUNTS}"] += 1
    highest: dict[str, int] = {}
    for _, account, balance in entries:
        highest[account] = max(balance, highest.get(account, 0))
    assert highest == amounts
    keys = world.sql("SELECT count(*) FROM public.outside WHERE tenant = %s", (world.tenant,))
    assert keys == [(len(submitted) * letters,)]


def check_log(world: World, submitted: list[Submitted]) -> None:
    """One admission and one end a plan, and lanes without gaps whose repeats are the same bytes."""
    admitted: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    seen: set[str] = set()
    for event in world.events():
        if event.record.meta.event_id in seen:
            continue
        seen.add(event.record.meta.event_id)
        if isinstance(event.record, PlanAdmitted):
            admitted[event.record.plan_id] += 1
        if isinstance(event.record, PlanEnded):
            ended[event.record.plan_id] += 1
    assert admitted == ended == Counter(one.plan_id for one in submitted)
    talk = ("motet.results.agents", "motet.requests", "motet.grants")
    for topic in ("motet.events", "motet.invocations.crash", "motet.results", "motet.merges", *talk):
        check_lanes(world.messages(topic))


def check_lanes(messages: list[Message]) -> None:
    """Receives every record as a service would: a gap or a wrong digest raises; a repeat must be what it repeats, with what stands beside it."""
    places: dict[tuple[int, str, int], lanes.Place] = {}
    known: dict[tuple[int, str, int, int], Any] = {}
    for message in messages:
        packed = lanes.packed(message.headers)
        if packed is None:
            # A stranger's, which another test put there: a service makes a dead letter of it.
            continue
        stamp = lanes.Stamp.unpack(packed)
        lane = (message.partition, stamp.service, stamp.shard)
        after = lanes.receive(
            places.get(lane, lanes.Place()), stamp, message.key or b"", message.value or b"", message.where
        )
        content = (message.key, message.value, message.headers)
        assert known.setdefault((*lane, stamp.number), content) == content
        if after != "repeat":
            places[lane] = after


def test_every_point_is_in_this_test() -> None:
    """A new crash point must be added here."""
    assert {point.partition(":")[0] for point in (*IN_THE_LOOP, *EFFECTS)} == set(POINTS)


@pytest.mark.timeout(600)
def test_the_coordinator_killed_at_every_point(world: World) -> None:
    """Whichever point the coordinator dies at, each plan has one admission and one end, and each effect happens once."""
    world.tools("crash_tools")
    submitted = crash_everywhere(world, world.coordinator, IN_THE_LOOP, letters=0)
    check_effects(world, submitted, letters=0)
    check_log(world, submitted)


@pytest.mark.timeout(600)
def test_a_tool_service_killed_at_every_point(world: World) -> None:
    """Whichever point a tool service dies at, transactional effects happen once and idempotent ones under one key."""
    world.coordinator()
    submitted = crash_everywhere(
        world, lambda **environment: world.tools("crash_tools", **environment), (*IN_THE_LOOP, *EFFECTS), letters=2
    )
    check_effects(world, submitted, letters=2)
    check_log(world, submitted)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("victim", ["agents", "coordinator"])
def test_either_host_of_hybrid_plans_killed(world: World, victim: str) -> None:
    """Whichever dies while plans of both modes want the same accounts: every plan ends once, and nothing stays reserved."""
    starts = {"agents": world.agents, "coordinator": world.coordinator}
    start = starts.pop(victim)
    for other in starts.values():
        other()
    world.tools("crash_tools")
    submitted = crash_everywhere(world, start, BETWEEN_HOSTS, letters=1, modes=("hybrid", "orchestrated", "hybrid"))
    check_effects(world, submitted, letters=1)
    check_log(world, submitted)
    world.await_no_lag("agents", "coordinator")
    assert world.sql("SELECT plan_id FROM coordinator.reservation") == []
    assert world.sql("SELECT plan_id FROM agents.open_plan") == []


@pytest.mark.timeout(300)
def test_a_record_that_kills_its_service_is_found_and_given_up(world: World) -> None:
    """After two starts without progress a shard takes one record at a time; the one that kills is answered, the rest go on."""
    world.coordinator()
    client = world.client()
    world.tools("crash_tools")
    assert client.run([Call("crash.deposit", {"account": "a0", "amount": 1})]).status == "SUCCEEDED"
    # One domain, so that all are in one batch of one shard.
    before = [client.submit([Call("crash.deposit", {"account": f"b{n}", "amount": 1})]) for n in range(5)]
    poison = client.submit([Call("crash.die"), Call("crash.deposit", {"account": "with-it", "amount": 1})])
    after = [client.submit([Call("crash.deposit", {"account": f"c{n}", "amount": 1})]) for n in range(5)]
    deaths = 0
    while not all(one.future.done() for one in (*before, poison, *after)):
        process = world.running["tools-crash_tools"]
        if process.child.poll() is None:
            wait([poison.future, *(one.future for one in after)], timeout=0.1)
        else:
            deaths += 1
            assert deaths < 15, process.said()[-3000:]
            world.tools("crash_tools")
    assert deaths >= 3
    assert {one.wait().status for one in (*before, *after)} == {"SUCCEEDED"}
    outcome = poison.wait()
    assert outcome.status == "FAILED"
    assert outcome.results[0].error_code == "HANDLING_FAILED"
    assert "died" in (outcome.results[0].error_message or "")
    entries = world.sql(
        "SELECT account, count(*) FROM tools_crash.entry WHERE tenant = %s GROUP BY account HAVING count(*) > 1",
        (world.tenant,),
    )
    assert entries == []
