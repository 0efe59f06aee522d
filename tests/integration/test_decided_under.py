"""Each event says in its own headers what it was decided by: across versions of the code, crashes, modes and answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import psycopg
import pytest
from psycopg.rows import dict_row

from motet.audit.reading import audit
from motet.chassis import decided_by, log_reader
from motet.chassis.codec import Codec
from motet.chassis.registry import Registry
from motet.chassis.settings import Settings
from motet.chassis.waiting import wait_until
from motet.cli.changes import RAN
from motet.client import Call, Event, Mode, Refused
from motet.plan.rules import CURRENT
from motet.projector.rebuild import rebuild
from motet.records import CallsStarted, PlanAdmitted, PlanEnded
from world import World

SECONDS: Final = 60.0
# Events of plans, and answers, that the last test makes by itself.
OF_ITS_OWN: Final = 5
OLD, NEW = "release 1; the old", "release 2"
IN_FORCE: Final = "SELECT version FROM motet.versions WHERE kind = 'HOST_CODE'"
DIGEST: Final = "SELECT arguments_sha256 FROM motet.approvals WHERE plan_id = %s"
MODES: Final[tuple[Mode, ...]] = ("orchestrated", "hybrid", "choreographed")


def under(event: Event) -> dict[str, str]:
    """What an event says but for its code."""
    return {name: value for name, value in event.decided_by.items() if name != "code"}


def of_plan(world: World, plan_id: str) -> list[Event]:
    """A plan's events, without repeats."""
    return list({one.record.meta.event_id: one for one in world.events() if one.record.plan_id == plan_id}.values())


def is_asked(world: World, plan_id: str) -> bool:
    """Whether a person is asked about a call of a plan."""
    return len(world.sql(DIGEST, (plan_id,))) == 1


@pytest.mark.timeout(240)
def test_an_event_says_by_which_code_it_was_decided_and_under_what(world: World) -> None:
    """A plan that two versions of the code decide, in each mode: the code is each event's own, everything else that of the admission."""
    world.tools("crash_tools")
    world.projector()
    hosts = (world.coordinator, world.agents)
    for start in hosts:
        start(MOTET_CODE_VERSION=OLD)
    client = world.client()
    calls = [Call("crash.big", {"size": 1}, approval=True), Call("crash.big", {"size": 2}, after=["c0"])]
    plans = [client.submit(calls, mode=mode, workflow="big; one@3") for mode in MODES]
    for one in plans:
        wait_until(partial(is_asked, world, one.plan_id), SECONDS, "an approval is asked for")
    for name, start in zip(("coordinator", "agents"), hosts, strict=True):
        world.running[name].kill()
        start(MOTET_CODE_VERSION=NEW)
    for one, mode in zip(plans, MODES, strict=True):
        ((digest,),) = world.sql(DIGEST, (one.plan_id,))
        client.direct.approve(one.plan_id, "c0", digest)
        assert one.wait(SECONDS).status == "SUCCEEDED"
        events = of_plan(world, one.plan_id)
        due = {"strategy": mode.upper(), "rules": str(CURRENT), "workflow": "big; one@3", "contracts": "crash.big@1"}
        assert [under(event) for event in events] == [due] * len(events)
        code = {type(event.record): event.decided_by["code"] for event in events}
        assert (code[PlanAdmitted], code[CallsStarted], code[PlanEnded]) == (OLD, NEW, NEW)
        world.await_no_lag("projector")
        seen = world.sql("SELECT event_id, code_version FROM motet.events WHERE plan_id = %s", (one.plan_id,))
        assert dict(seen) == {event.record.meta.event_id: event.decided_by["code"] for event in events}
    # So the report tells of a deployment in which no plan was admitted, and which plans ran under both.
    assert {version for (version,) in world.sql(IN_FORCE)} >= {OLD, NEW}
    now = datetime.now(UTC)
    with psycopg.connect(world.addresses.postgres, options="-c search_path=motet", row_factory=dict_row) as connection:
        ran = connection.execute(RAN.encode(), (3, now - timedelta(hours=1), now)).fetchall()
    codes = {plan_id: line["code_version"] for line in ran for plan_id in line["plan_ids"]}
    assert [codes[one.plan_id] for one in plans] == [f"{OLD}, {NEW}"] * len(plans)


@pytest.mark.timeout(240)
def test_what_is_published_again_says_what_it_said(world: World) -> None:
    """A host dies between commit and publication; whoever takes over runs other code, and publishes what the dead one decided."""
    world.tools("crash_tools")
    report = world.directory / "hits"
    world.coordinator(MOTET_CODE_VERSION=OLD)
    client = world.client()
    assert client.run([Call("crash.big", {"size": 1})]).status == "SUCCEEDED"
    assert world.running["coordinator"].stop() == 0
    victim = world.launch(
        *("coordinator", "serve", "coordinator"),
        MOTET_CODE_VERSION=OLD,
        MOTET_CRASH_AT="committed:1",
        MOTET_CRASH_REPORT=str(report),
    )
    plan = client.submit([Call("crash.big", {"size": 1})], workflow="again@1")
    assert victim.await_end(SECONDS) == -9
    assert of_plan(world, plan.plan_id) == []
    world.coordinator(MOTET_CODE_VERSION=NEW)
    assert plan.wait(SECONDS).status == "SUCCEEDED"
    code = {type(event.record): event.decided_by["code"] for event in of_plan(world, plan.plan_id)}
    assert (code[PlanAdmitted], code[PlanEnded]) == (OLD, NEW)
    assert {event.decided_by["workflow"] for event in of_plan(world, plan.plan_id)} == {"again@1"}


@pytest.fixture(scope="module")
def served(shared_world: World) -> World:
    """All services."""
    shared_world.tools("crash_tools")
    for start in (shared_world.projector, shared_world.coordinator, shared_world.agents, shared_world.leases):
        start(MOTET_CODE_VERSION=NEW)
    return shared_world


@pytest.mark.timeout(240)
def test_answers_leases_and_tables_agree(served: World) -> None:
    """What became no plan, and facts of leases, say what there is to say; the audit finds nothing wrong, and a rebuild the same tables."""
    client = served.client()
    call = Call("crash.send", {"text": "once"})
    done = client.run([call], idempotency_key="once", workflow="one@1")
    again = client.run([call], idempotency_key="once", workflow="another@2")
    rejected = client.run([Call("crash.nothing")], mode="hybrid", workflow="none@1")
    assert (done.status, again.repeated, rejected.status) == ("SUCCEEDED", True, "REJECTED")
    with pytest.raises(Refused, match="UNKNOWN_PLAN"):
        client.direct.cancel("0" * 30 + "-c", "nobody has it")
    said: dict[str, list[dict[str, str]]] = {}
    for event in served.events():
        said.setdefault(event.type.rpartition(".")[2], []).append(dict(event.decided_by))
    assert said["CommandRepeated"] == [{"code": NEW, "strategy": "ORCHESTRATED"}]
    assert said["PlanRejected"] == [{"code": NEW, "strategy": "HYBRID"}]
    assert said["CommandRefused"] == [{"code": NEW, "strategy": "CHOREOGRAPHED"}]
    assert said["PlanEnded"][-1]["workflow"] == "one@1"
    client.leases.of(scope="desk", holder="ann").acquire(["account:1"], duration_seconds=1)
    facts = [one for one in served.messages("motet.leases") if served.tenant.encode() in (one.key or b"")]
    assert {decided_by.found(one.headers) for one in facts} == {f"code={NEW}"}
    registry = Registry(served.addresses.registry)
    log = log_reader.LogReader(served.addresses.kafka)
    found = audit(log, Codec(registry), lambda _done, _all: None)
    log.close()
    registry.close()
    assert [one for one in found.findings if one.rule == "decided by"] == []
    assert found.rules["decided by"].checked >= OF_ITS_OWN
    served.await_no_lag("projector")
    where = served.addresses
    settings = Settings(kafka_bootstrap=where.kafka, postgres_url=where.postgres, schema_registry_url=where.registry)
    rebuilt = rebuild(settings, lambda _done, _all: None)
    assert rebuilt.tables["lineage"].only_live == rebuilt.tables["lineage"].only_rebuilt == 0
