"""Plans without a coordinator: nobody starts one, and they end as they would with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from motet.chassis.identity import domain_key, partition_of
from motet.chassis.waiting import wait_until
from motet.client import Budget, Call, Client, Mode, Outcome, Refused, command
from motet.records import CommandRefused, PlanAdmitted, PlanEnded
from world import World

SECONDS: Final = 40.0
BOTH: Final[tuple[Mode, Mode]] = ("choreographed", "orchestrated")
# The second call's argument is no number, which shows when the first one's result is there.
FREE: Final = [
    Call("crash.big", {"size": 5}),
    Call("crash.big", {"size": {"$result": {"call": "c0"}}}),
    Call("crash.big", {"size": 1}, after=["c1"]),
    Call("crash.send", {"text": "once"}),
    Call("crash.send", {"text": "behind it"}, after=["c3"]),
]


@pytest.fixture(scope="module")
def client(shared_world: World) -> Iterator[Client]:
    """The agents' service, tools and the projector: a coordinator only once a test starts it."""
    shared_world.agents()
    shared_world.projector()
    shared_world.tools("crash_tools")
    yield shared_world.client()
    assert all(process.child.poll() is None for process in shared_world.running.values())


def coordinate(world: World) -> None:
    """A coordinator runs beside the agents' service."""
    if "coordinator" not in world.running:
        world.coordinator()


def leave_alone(world: World) -> None:
    """No coordinator runs."""
    if (process := world.running.pop("coordinator", None)) is not None:
        assert process.stop() == 0


def shown(outcome: Outcome) -> tuple[Any, ...]:
    """What an agent sees of a plan's end."""
    return outcome.status, outcome.history_sha256, outcome.results


def test_plans_end_though_no_coordinator_runs(shared_world: World, client: Client) -> None:
    """Results, failures and skipped calls; and SQL says who coordinated. Later a coordinator runs the same plans: the same history."""
    leave_alone(shared_world)
    alone = [client.run(FREE, mode="choreographed", domain=f"d{number}") for number in range(4)]
    assert [one.status for one in alone] == ["FAILED"] * 4
    assert [one.status for one in alone[0].results] == ["SUCCEEDED", "FAILED", "SKIPPED", "SUCCEEDED", "SUCCEEDED"]
    wait_until(
        lambda: (
            shared_world.sql(
                "SELECT status FROM motet.plans WHERE plan_id = %s AND mode = 'CHOREOGRAPHED'", (alone[0].plan_id,)
            )
            == [("FAILED",)]
        ),
        SECONDS,
        "the plan in SQL",
    )
    refused = client.run([Call("crash.deposit", {"account": "a", "amount": 1})], mode="choreographed")
    assert [one.code for one in refused.reasons] == ["NOT_CHOREOGRAPHABLE"]
    assert "account:a (WRITE)" in refused.reasons[0].message
    assert set(shared_world.running) == {"agents", "projector", "tools-crash_tools"}
    versioned = Call("crash.deposit", {"account": "versioned", "amount": 1}, expected={"account:versioned": 0})
    first, second = (client.run([versioned], mode="choreographed") for _ in range(2))
    assert first.status == "SUCCEEDED"
    assert second.results[0].error_code == "VERSION_CONFLICT", "who was faster is found without a line"
    coordinate(shared_world)
    orchestrated = [client.run(FREE, domain=f"d{number}") for number in range(4)]
    assert list(map(shown, orchestrated)) == list(map(shown, alone))


def test_who_hosts_a_plan_answers_for_it(shared_world: World, client: Client) -> None:
    """With both hosts at the door a command has one answer: a cancel, a repeat, a key of another mode, a record that nobody can read."""
    coordinate(shared_world)
    waiting = client.submit(
        [Call("crash.big", {"size": 1}, approval=True)], mode="choreographed", idempotency_key="held"
    )
    wait_until(
        lambda: shared_world.sql("SELECT 1 FROM motet.approvals WHERE plan_id = %s", (waiting.plan_id,)) == [(1,)],
        SECONDS,
        "an approval is asked for",
    )
    client.direct.cancel(waiting.plan_id, "enough")
    assert waiting.wait(SECONDS).status == "CANCELLED"
    again = client.run([Call("crash.big", {"size": 1}, approval=True)], mode="choreographed", idempotency_key="held")
    assert (again.status, again.repeated) == ("CANCELLED", True)
    orders: list[tuple[str, Mode, Mode]] = [("x", *BOTH), ("y", *BOTH[::-1])]
    for key, first, then in orders:
        call = Call("crash.send", {"text": f"one {key}"})
        one = client.run([call], mode=first, idempotency_key=key)
        assert one.status == "SUCCEEDED"
        other = client.run([call], mode=then, idempotency_key=key)
        assert [reason.code for reason in other.reasons] == ["KEY_REUSED"]
    client.direct.set_budget("spender", Budget(calls=1))
    counted = client.run(FREE[:1], mode="choreographed", agent="spender")
    assert [reason.code for reason in counted.reasons] == ["AGENT_HAS_BUDGET"]
    with pytest.raises(Refused, match="UNKNOWN_PLAN"):
        client.direct.cancel("0" * 30 + "-c")
    answered = [one.record for one in shared_world.events() if isinstance(one.record, CommandRefused)]
    assert len({one.meta.event_id for one in answered}) == 1
    knocks = shared_world.sql("SELECT knocks FROM public.outside WHERE tenant = %s", (shared_world.tenant,))
    assert {count for (count,) in knocks} == {1}


def test_one_host_buries_or_forwards_what_came_wrong(shared_world: World, client: Client) -> None:
    """A record that is none is one dead letter, the coordinator's; a misplaced plan goes its way once."""
    coordinate(shared_world)
    domain = "misplaced"
    key = domain_key(shared_world.tenant, domain)
    producer = shared_world.producer()
    producer.produce("motet.commands", b"no record", key)
    wrong = (partition_of(key, 4) + 1) % 4
    for mode in BOTH:
        made = command(FREE[:1], tenant=shared_world.tenant, domain=domain, agent="misplacing", mode=mode)
        producer.produce("motet.commands", client.codec.encode("motet.commands", made), key, wrong)
    producer.flush()
    where = "SELECT service FROM motet.dead_letters WHERE tenant = %s"
    wait_until(lambda: bool(shared_world.sql(where, (shared_world.tenant,))), SECONDS, "a dead letter")
    events: list[Any] = []

    def ends() -> list[Any]:
        found = client.events(domain=domain, tenant=shared_world.tenant, follow=False)
        events[:] = {one.record.meta.event_id: one.record for one in found}.values()
        return [one for one in events if isinstance(one, PlanEnded)]

    wait_until(lambda: len(ends()) == 2, SECONDS, "both plans ended")
    assert len([one for one in events if isinstance(one, PlanAdmitted)]) == 2
    shared_world.await_no_lag("coordinator", "agents", "projector")
    assert shared_world.sql(where, (shared_world.tenant,)) == [("coordinator",)]
