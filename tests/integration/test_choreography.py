"""Plans without a coordinator: nobody starts one, and they end as they would with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any, Final

import pytest

from motet.chassis.identity import domain_key, partition_of
from motet.chassis.waiting import wait_until
from motet.client import Budget, Call, Client, Mode, Outcome, Refused, Submitted, command
from motet.records import CallsStarted, CommandRefused, PlanAdmitted, PlanEnded, PlanRejected
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


def started(client: Client, plan: Submitted) -> bool:
    """Whether a plan has its resources and its first calls are out."""
    return any(
        isinstance(one.record, CallsStarted) and one.record.plan_id == plan.plan_id
        for one in client.events(tenant=client.tenant, follow=False)
    )


def deposits(account: str, count: int) -> list[Call]:
    """One behind the other."""
    call = Call("crash.deposit", {"account": account, "amount": 1})
    return [replace(call, after=[f"c{index - 1}"] if index else []) for index in range(count)]


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


def test_a_key_has_one_order_whichever_way_its_commands_come(shared_world: World, client: Client) -> None:
    """A plan, and one of another mode and a wrong partition under its key, while the coordinator's door rests: the second is refused."""
    leave_alone(shared_world)
    # One more open plan than others have left, in the shard that has most of them, and so that door rests and no other one does.
    left = dict(shared_world.sql("SELECT partition, count(*) FROM coordinator.open_plan GROUP BY partition"))
    home = max(range(4), key=lambda number: left.get(number, 0))
    shared_world.coordinator(MOTET_OPEN_PLANS=str(left.get(home, 0) + 1))
    names = (f"one-order-{number}" for number in count())
    domain = next(name for name in names if partition_of(domain_key(shared_world.tenant, name), 4) == home)
    key = "two-plans"
    held = client.submit([Call("crash.big", {"size": 1}, approval=True)], domain=domain)
    wait_until(
        lambda: shared_world.sql("SELECT 1 FROM motet.approvals WHERE plan_id = %s", (held.plan_id,)) == [(1,)],
        SECONDS,
        "an approval is asked for",
    )
    call = Call("crash.send", {"text": "who was first"})
    assert client.run([call], mode="choreographed", domain=domain, idempotency_key=key).status == "SUCCEEDED"
    astray = command([call], tenant=shared_world.tenant, domain=domain, agent="misplacing", idempotency_key=key)
    record_key = domain_key(shared_world.tenant, domain)
    producer = shared_world.producer()
    partition = (home + 1) % 4
    producer.produce("motet.commands", client.codec.encode("motet.commands", astray), record_key, partition)
    producer.flush()
    taken = "SELECT next_offset FROM coordinator.shard_offset WHERE topic = 'motet.commands' AND partition = %s"
    end = len([one for one in shared_world.messages("motet.commands") if one.partition == partition])
    wait_until(lambda: shared_world.sql(taken, (partition,)) == [(end,)], SECONDS, "it is sent to its own partition")
    leave_alone(shared_world)
    coordinate(shared_world)

    def answers() -> list[Any]:
        found = client.events(domain=domain, tenant=shared_world.tenant, follow=False)
        mine = [one.record for one in found if isinstance(one.record, PlanAdmitted | PlanRejected)]
        return [one for one in mine if one.agent == "misplacing"]

    wait_until(lambda: bool(answers()), SECONDS, "the second one is answered")
    assert {reason.code for one in answers() for reason in getattr(one, "reasons", ())} == {"KEY_REUSED"}


def test_hybrid_plans_that_have_their_resources_end_without_the_coordinator(
    shared_world: World, client: Client
) -> None:
    """It is killed once a plan was granted: that plan runs to its end, one that uses nothing too; one that asks waits until it is back."""
    coordinate(shared_world)
    shared_world.running["tools-crash_tools"].kill()
    granted = client.submit(deposits("shared", 4), mode="hybrid", domain="outage")
    wait_until(lambda: started(client, granted), SECONDS, "its resources are granted")
    shared_world.running.pop("coordinator").kill()
    asks = client.submit(deposits("shared", 2), mode="hybrid", domain="outage")
    shared_world.tools("crash_tools")
    assert [one.result for one in granted.wait(SECONDS).results] == ["1", "2", "3", "4"]
    assert client.run(FREE[:1], mode="hybrid", domain="outage").status == "SUCCEEDED"
    assert client.run(FREE[:1], mode="choreographed", domain="outage").status == "SUCCEEDED"
    orchestrated = client.submit(deposits("another", 1), domain="outage")
    shared_world.await_no_lag("agents", "tools-crash")
    assert not started(client, asks)
    assert not orchestrated.future.done()
    coordinate(shared_world)
    assert [one.result for one in asks.wait(SECONDS).results] == ["5", "6"]
    assert orchestrated.wait(SECONDS).status == "SUCCEEDED"


def test_orchestrated_plans_go_on_without_the_agents_service(shared_world: World, client: Client) -> None:
    """But for those behind what a hybrid plan has, which keeps its place and goes first once its host is back."""
    coordinate(shared_world)
    shared_world.running["tools-crash_tools"].kill()
    hosted = client.submit(deposits("held", 2), mode="hybrid", domain="headless")
    wait_until(lambda: started(client, hosted), SECONDS, "its resources are granted")
    shared_world.running["agents"].kill()
    shared_world.tools("crash_tools")
    behind = client.submit(deposits("held", 1), domain="headless")
    free = client.submit(FREE[:1], mode="choreographed", domain="headless")
    assert client.run(deposits("own", 3), domain="headless").status == "SUCCEEDED"
    shared_world.await_no_lag("coordinator", "tools-crash")
    assert not started(client, behind)
    assert not hosted.future.done()
    assert not free.future.done()
    shared_world.agents()
    assert [one.result for one in hosted.wait(SECONDS).results] == ["1", "2"]
    assert [one.result for one in behind.wait(SECONDS).results] == ["3"]
    assert free.wait(SECONDS).status == "SUCCEEDED"
