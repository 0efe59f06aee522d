"""Whatever anybody puts on the door gets an event or a dead letter that says why; services stay up, other keys go on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from motet.chassis.canonical import canonical_json, sha256_text
from motet.chassis.codec import PREFIX, Codec
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.registry import Registry
from motet.chassis.waiting import wait_until
from motet.client import Call, Client, Outcome, command
from motet.records import CallsCommitted, DeadLetter, PlanAdmitted, PlannedCall, SubmitPlan
from world import Process, World

COMMANDS = "motet.commands"
SECONDS = 30.0


@pytest.fixture(scope="module")
def services(shared_world: World) -> Iterator[list[Process]]:
    """A coordinator and a tool service; after the last test both still run, in the processes that were started."""
    running = [shared_world.coordinator(), shared_world.tools("crash_tools")]
    with shared_world.client() as client:
        assert client.run([Call("crash.deposit", {"account": "warm", "amount": 1})]).status == "SUCCEEDED"
    yield running
    assert [process.child.poll() for process in running] == [None, None]


@pytest.fixture(scope="module")
def client(shared_world: World, services: list[Process]) -> Client:
    """A client of the services."""
    assert services
    return shared_world.client()


@pytest.fixture(scope="module")
def codec(shared_world: World) -> Iterator[Codec]:
    """Writes commands as any Avro serializer does."""
    registry = Registry(shared_world.addresses.registry)
    yield Codec(registry)
    registry.close()


def plan(world: World, domain: str = "main", **changes: Any) -> SubmitPlan:
    """A good command, but for the changes."""
    good = command(
        [Call("crash.deposit", {"account": "b", "amount": 1})], tenant=world.tenant, domain=domain, agent="tester"
    )
    return replace(good, **changes)


def with_arguments(world: World, text: str) -> SubmitPlan:
    """A good command but for its arguments' text."""
    return plan(world, calls=(PlannedCall("c0", "crash.deposit", None, text, ()),))


def produce(world: World, key: bytes | None, value: bytes | None, **settings: Any) -> tuple[int, int]:
    """Puts a record on the door; returns partition and offset."""
    places: list[tuple[int, int]] = []

    def delivered(error: Any, message: Any) -> None:
        assert error is None, error
        places.append((message.partition(), message.offset()))

    producer = world.producer(**({"partitioner": "murmur2_random", "message.max.bytes": 4_000_000} | settings))
    producer.produce(COMMANDS, value, key, on_delivery=delivered)
    producer.flush(SECONDS)
    return places[0]


def dead_letter(world: World, codec: Codec, place: tuple[int, int]) -> DeadLetter:
    """The dead letter about a record of the door, once it is there."""
    found: list[DeadLetter] = []

    def there() -> bool:
        for message in world.messages("motet.dead-letters"):
            record = codec.decode(message.value)
            if isinstance(record, DeadLetter) and (record.topic, record.partition, record.offset) == (COMMANDS, *place):
                found.append(record)
        return bool(found)

    wait_until(there, SECONDS, f"a dead letter about {place}")
    return found[0]


def submit(client: Client, bad: SubmitPlan) -> Outcome:
    """How a command ends."""
    return client.submit_command(bad).wait(SECONDS)


def codes(outcome: Outcome) -> set[str]:
    """The reasons of a rejected plan."""
    assert outcome.status == "REJECTED"
    assert all(reason.message for reason in outcome.reasons)
    return {reason.code for reason in outcome.reasons}


def check_others_go_on(client: Client) -> None:
    """A good plan of another domain ends as if nothing had happened."""
    assert client.run([Call("crash.deposit", {"account": "x", "amount": 1})], domain="others").status == "SUCCEEDED"


Fault = Callable[[SubmitPlan, Codec], tuple[bytes | None, bytes | None]]


def key_of(command: SubmitPlan) -> bytes:
    """The key that a command belongs under."""
    return domain_key(command.tenant, command.domain)


def bytes_changed(change: Callable[[bytes], bytes | None]) -> Fault:
    """A good record but for its bytes."""
    return lambda good, codec: (key_of(good), change(codec.encode(COMMANDS, good)))


def fields_changed(**fields: Any) -> Fault:
    """A good record but for a field, under the key that fits it."""
    return lambda good, codec: (key_of(replace(good, **fields)), codec.encode(COMMANDS, replace(good, **fields)))


def key_changed(key: bytes | None) -> Fault:
    """A good record under another key."""
    return lambda good, codec: (key, codec.encode(COMMANDS, good))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        pytest.param(bytes_changed(lambda _: b"\x07" + os.urandom(50)), "NOT_AVRO", id="random bytes"),
        pytest.param(bytes_changed(lambda value: value[:-7]), "BROKEN_AVRO", id="truncated"),
        pytest.param(bytes_changed(lambda value: value + b"!"), "TRAILING_BYTES", id="trailing bytes"),
        pytest.param(
            bytes_changed(lambda value: PREFIX.pack(0, 999_999) + value[PREFIX.size :]),
            "UNKNOWN_SCHEMA",
            id="unknown id",
        ),
        pytest.param(bytes_changed(lambda _: None), "NULL_VALUE", id="null"),
        pytest.param(bytes_changed(lambda _: b"\x01" + os.urandom(2_000_000)), "NOT_AVRO", id="2 MB of noise"),
        pytest.param(
            bytes_changed(lambda value: value.replace(b"tester", b"te\xff\xfeer")), "BROKEN_AVRO", id="not UTF-8"
        ),
        pytest.param(key_changed(None), "NO_KEY", id="no key"),
        pytest.param(key_changed(b"somebody-else/main"), "KEY_MISMATCH", id="other tenant in the key"),
        pytest.param(fields_changed(tenant="Ünfit"), "BAD_TENANT", id="bad tenant"),
        pytest.param(fields_changed(domain="a\nb"), "BAD_DOMAIN", id="bad domain"),
    ],
)
def test_what_is_no_command_becomes_a_dead_letter(
    shared_world: World, client: Client, codec: Codec, fault: Fault, code: str
) -> None:
    """It is kept whole, with a code and a sentence, and the next plan is not delayed."""
    key, value = fault(plan(shared_world), codec)
    check_dead_letter(shared_world, codec, key, value, code)
    check_others_go_on(client)


def test_an_event_is_no_command(shared_world: World, client: Client, codec: Codec) -> None:
    """A record of another kind, valid as such, has no business at the door."""
    event = shared_world.messages("motet.events")[0]
    check_dead_letter(shared_world, codec, event.key, event.value, "NO_COMMAND")
    check_others_go_on(client)


def check_dead_letter(world: World, codec: Codec, key: bytes | None, value: bytes | None, code: str) -> None:
    """Puts a record on the door, and finds it whole in a dead letter."""
    letter = dead_letter(world, codec, produce(world, key, value))
    assert letter.code == code
    assert letter.reason
    assert (letter.key, letter.value) == (key, value)
    assert not letter.parked


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ('{"account": "b", "amount": NaN}', "ARGUMENTS_NOT_JSON"),
        ('{"account": "b", "amount": -Infinity}', "ARGUMENTS_NOT_JSON"),
        (f'{{"account": "b", "amount": {10**400}}}', "ARGUMENTS_NOT_JSON"),
        (f'{{"account": "b", "amount": {2**60}}}', "ARGUMENTS_NOT_JSON"),
        (f'{{"account": "b", "amount": {"9" * 5000}}}', "ARGUMENTS_NOT_JSON"),
        ('{"account": "\\ud800", "amount": 1}', "ARGUMENTS_NOT_JSON"),
        ('{"account": "b", "amount": "1"}', "ARGUMENTS_INVALID"),
        ('{"account": "b"}', "ARGUMENTS_INVALID"),
        ('{"account": "b", "amount": 1, "more": 2}', "ARGUMENTS_INVALID"),
        ("[" * 100_000, "ARGUMENTS_NOT_JSON"),
        ("no JSON at all", "ARGUMENTS_NOT_JSON"),
        ('"text"', "ARGUMENTS_NOT_JSON"),
    ],
)
def test_arguments_that_no_tool_can_take_are_refused(
    shared_world: World, client: Client, arguments: str, code: str
) -> None:
    """The plan is rejected with a reason, not tried."""
    assert code in codes(submit(client, with_arguments(shared_world, arguments)))
    check_others_go_on(client)


def test_unknown_tools_and_versions_are_refused(shared_world: World, client: Client) -> None:
    """All reasons come at once, each with its call."""
    calls = (
        PlannedCall("a", "crash.depositt", None, "{}", ()),
        PlannedCall("b", "crash.deposit", 99, '{"account": "b", "amount": 1}', ()),
        PlannedCall("c", "crash.deposit", None, '{"account": "b", "amount": 1}', ("nobody",)),
    )
    outcome = submit(client, plan(shared_world, calls=calls))
    assert {(reason.code, reason.call_id) for reason in outcome.reasons} == {
        ("UNKNOWN_TOOL", "a"),
        ("UNKNOWN_CONTRACT_VERSION", "b"),
        ("UNKNOWN_AFTER", "c"),
    }


def test_a_cycle_is_refused(shared_world: World, client: Client) -> None:
    """Calls that wait for each other would never start."""
    text = '{"account": "b", "amount": 1}'
    calls = (
        PlannedCall("a", "crash.deposit", None, text, ("b",)),
        PlannedCall("b", "crash.deposit", None, text, ("a",)),
    )
    assert codes(submit(client, plan(shared_world, calls=calls))) == {"CYCLE"}


def test_a_plan_of_ten_thousand_calls_is_refused(shared_world: World, client: Client) -> None:
    """The limit is in the message."""
    call = plan(shared_world).calls[0]
    outcome = submit(client, plan(shared_world, calls=tuple(replace(call, call_id=f"c{n}") for n in range(10_000))))
    assert codes(outcome) == {"TOO_MANY_CALLS"}
    assert "10000" in outcome.reasons[0].message
    assert "256" in outcome.reasons[0].message
    check_others_go_on(client)


def test_a_command_of_two_megabytes_is_refused(shared_world: World, client: Client, codec: Codec) -> None:
    """It fits into the topic and not into a plan."""
    huge = with_arguments(shared_world, canonical_json({"account": "x" * 2_000_000, "amount": 1}))
    waiting = client.submit_command(replace(huge, calls=()))
    assert codes(waiting.wait(SECONDS)) == {"EMPTY_PLAN"}
    huge = replace(huge, idempotency_key="huge")
    produce(shared_world, domain_key(huge.tenant, huge.domain), codec.encode(COMMANDS, huge))
    again = replace(plan(shared_world), idempotency_key="huge")
    outcome = submit(client, again)
    assert codes(outcome) == {"KEY_REUSED"}, "the huge command was answered before, under its key"
    rejected = [one.record for one in shared_world.events() if getattr(one.record, "idempotency_key", "") == "huge"]
    assert [reason.code for reason in rejected[0].reasons] == ["TOO_LARGE"]


def test_names_that_nothing_can_hold_are_refused(shared_world: World, client: Client) -> None:
    """NUL in a name, a correlation id or a trace harms no table and no header."""
    bad = plan(shared_world, agent="a\0b", correlation_id="c\0d", traceparent="\0", idempotency_key="k\0")
    assert codes(submit(client, bad)) == {"BAD_IDENTIFIER"}
    bad = plan(shared_world, traceparent="no trace")
    assert submit(client, bad).status == "SUCCEEDED", "a trace that is none is ignored, as the W3C says"


def test_the_same_command_again_gets_the_same_answer(shared_world: World, client: Client) -> None:
    """Nothing is run again, for a plan that ended and for one that was rejected."""
    for one in (plan(shared_world), with_arguments(shared_world, "{}")):
        first, second = submit(client, one), submit(client, one)
        assert second.repeated
        assert not first.repeated
        assert replace(second, repeated=False) == first
    entries = shared_world.sql(
        "SELECT key, count(*) FROM tools_crash.entry WHERE tenant = %s GROUP BY key HAVING count(*) > 1",
        (shared_world.tenant,),
    )
    assert entries == []


def test_the_same_key_with_other_content_is_refused(shared_world: World, client: Client) -> None:
    """The first plan stands; the second is rejected and its answer is not the key's."""
    first = plan(shared_world)
    done = submit(client, first)
    assert codes(submit(client, replace(first, agent="another"))) == {"KEY_REUSED"}
    assert replace(submit(client, first), repeated=False) == done


def test_commands_in_the_wrong_partition_are_forwarded_in_order(
    shared_world: World, client: Client, codec: Codec
) -> None:
    """Librdkafka's default partitioner puts most keys elsewhere; each domain's plans are admitted as they were sent."""
    domains = [f"forward-{number}" for number in range(8)]
    producer = shared_world.producer()
    landed: dict[bytes, int] = {}

    def delivered(error: Any, message: Any) -> None:
        assert error is None
        landed[message.key()] = message.partition()

    for number in range(20):
        for domain in domains:
            one = plan(shared_world, domain, idempotency_key=f"{number:03}")
            producer.produce(
                COMMANDS, codec.encode(COMMANDS, one), domain_key(one.tenant, domain), on_delivery=delivered
            )
    producer.flush(SECONDS)
    assert any(partition_of(key, 4) != partition for key, partition in landed.items())
    wanted = [f"{number:03}" for number in range(20)]
    admitted: dict[str, list[str]] = {}

    def all_there() -> bool:
        admitted.clear()
        for event in shared_world.events():
            if isinstance(event.record, PlanAdmitted) and event.record.meta.domain in domains:
                admitted.setdefault(event.record.meta.domain, []).append(event.record.idempotency_key)
        return sum(map(len, admitted.values())) >= 160

    wait_until(all_there, SECONDS, "160 plans are admitted")
    assert admitted == dict.fromkeys(domains, wanted)
    for domain in domains:
        assert submit(client, plan(shared_world, domain, idempotency_key="last")).status == "SUCCEEDED"
        # What was sent astray was decided where the key belongs, which knows it.
        assert submit(client, plan(shared_world, domain, idempotency_key="000")).repeated


def test_a_failing_call_leaves_its_neighbours_alone(shared_world: World, client: Client) -> None:
    """What a failed tool wrote is gone, what its neighbours in the same batch wrote stays."""
    calls = [Call("crash.deposit", {"account": f"n{index}", "amount": 1}) for index in range(3)]
    calls.insert(1, Call("crash.fail", {"account": "gone"}))
    outcome = client.run(calls)
    assert [one.status for one in outcome.results] == ["SUCCEEDED", "FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert outcome.results[1].error_code == "RAISED"
    assert "no, not gone" in (outcome.results[1].error_message or "")
    lines = [json.loads(line) for line in shared_world.running["tools-crash_tools"].said().splitlines()]
    (told,) = [line for line in lines if line["event"] == "call failed" and line["plan_id"] == outcome.plan_id]
    assert (told["call"], told["code"]) == (1, "RAISED")
    assert told["event_id"]
    assert told["key"]
    query = "SELECT count(*) FROM tools_crash.entry WHERE tenant = %s AND account = %s"
    assert shared_world.sql(query, (shared_world.tenant, "gone")) == [(0,)]
    assert shared_world.sql(query, (shared_world.tenant, "n2")) == [(1,)]


def test_the_results_are_json(client: Client) -> None:
    """An idempotent tool runs outside the transaction, and its result is the function's."""
    outcome = client.run([Call("crash.send", {"text": "é"})])
    assert json.loads(outcome.results[0].result or "") == "sent é"


def test_large_results_are_told_by_event_and_digest(shared_world: World, client: Client) -> None:
    """The terminal event carries what fits; the rest is in the event that it names, and its digest says that it is the same."""
    outcome = client.run([Call("crash.big", {"size": 200_000}) for _ in range(4)])
    assert [one.result is None for one in outcome.results] == [False, False, True, True]
    committed = {
        event.record.meta.event_id: event.record
        for event in shared_world.events()
        if isinstance(event.record, CallsCommitted)
    }
    for index in (2, 3):
        found = committed[outcome.results[index].result_event_id or ""]
        (call,) = [one for one in found.calls if one.index == index]
        assert call.result == json.dumps("x" * 200_000)
        assert call.result_sha256 == sha256_text(call.result)


def test_a_result_beyond_the_limit_fails_its_call(client: Client) -> None:
    """The size and the limit are in the message, and the neighbour's result stands."""
    outcome = client.run([Call("crash.big", {"size": 300_000}), Call("crash.big", {"size": 3})])
    assert [one.error_code for one in outcome.results] == ["RESULT_TOO_LARGE", None]
    assert "300002" in (outcome.results[0].error_message or "")
    assert "262144" in (outcome.results[0].error_message or "")
