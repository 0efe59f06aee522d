"""The ways in, as a newcomer uses them: any Kafka client, Python, the command line. And what an outsider can read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from motet.chassis.provision import catalog, entry
from motet.chassis.waiting import wait_until
from motet.client import Call, Client
from world import World

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SECONDS = 60.0


@pytest.fixture(scope="module")
def running(shared_world: World) -> World:
    """Coordinator, projector, and the example's tools."""
    shared_world.coordinator()
    shared_world.projector()
    shared_world.tools(str(EXAMPLES / "greeting_tools.py"))
    with shared_world.client() as client:
        assert client.run([Call("greeting.shout", {"text": "up"})]).results[0].value == "UP"
    return shared_world


def environment(world: World) -> dict[str, str]:
    """What a person's shell has."""
    return {**os.environ, **world.addresses.environment(), "PYTHONPATH": str(ROOT / "services"), "COLUMNS": "150"}


def motet(world: World, *arguments: str, code: int = 0) -> str:
    """Runs a command and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "motet", *arguments],
        env=environment(world),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == code, f"{arguments} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout if code == 0 else done.stdout + done.stderr


def example(world: World, *arguments: str) -> str:
    """Runs an example."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment(world),
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    ).stdout


def test_a_plain_producer_submits_a_plan(running: World) -> None:
    """Thirty lines of confluent-kafka with an .avsc file are a client."""
    addresses = running.addresses
    said = example(running, str(EXAMPLES / "producer.py"), addresses.kafka, addresses.registry, "Ada", "Grace")
    key = said.split()[-1]
    found: list[Any] = []

    def ended() -> bool:
        found[:] = running.sql("SELECT status, calls FROM motet.plans WHERE idempotency_key = %s", (key,))
        return bool(found) and found[0][0] == "SUCCEEDED"

    wait_until(ended, SECONDS, f"plan {key} is projected")
    assert found == [("SUCCEEDED", 2)]


def test_a_plain_producer_has_thirty_lines() -> None:
    """The example stays one that can be read at once, and uses nothing of Motet."""
    lines = (EXAMPLES / "producer.py").read_text().splitlines()
    code = [line for line in lines[5:] if line.strip()]
    assert len(code) <= 30
    assert not [line for line in code if "motet" in line and "import" in line]


def test_a_plain_consumer_reads_events(running: World) -> None:
    """AvroDeserializer reads them with the registry alone."""
    process = subprocess.Popen(
        [sys.executable, "-u", str(EXAMPLES / "consumer.py"), running.addresses.kafka, running.addresses.registry],
        env=environment(running),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    process.wait(SECONDS)
    assert "motet.events." in line


def test_the_python_example(running: World) -> None:
    """Submit, wait, iterate events."""
    said = example(running, str(EXAMPLES / "client.py"))
    assert said.startswith("SUCCEEDED")
    assert "HELLO, ADA!" in said
    kinds = [line.split()[0].rpartition(".")[2] for line in said.splitlines()[1:]]
    assert kinds[0] == "PlanAdmitted"
    assert kinds[-1] == "PlanEnded"


def test_the_async_example(running: World) -> None:
    """Results in the order written; the same key again brings the same ones."""
    first, again = example(running, str(EXAMPLES / "gather.py")).splitlines()
    assert first.startswith("['Hello, Ada!', 'Hello, Grace!', 'Hello, Edsger!']")
    assert first == again


def test_the_example_with_langgraph(running: World) -> None:
    """A real graph, whose tools are one plan."""
    names, told = example(running, str(EXAMPLES / "langgraph_graph.py")).splitlines()
    assert names == "['greeting__greet', 'greeting__shout']"
    assert told.index('"Hello, Ada!"') < told.index('"Hello, Grace!"')


def test_submit_plan_and_look_at_it(running: World) -> None:
    """`motet submit --wait`, `motet plan`, `motet sql` and `motet events` tell one story, for people and for programs."""
    ended = json.loads(motet(running, "submit", str(EXAMPLES / "plan.yaml"), "--wait", "--json"))
    assert ended["status"] == "SUCCEEDED"
    assert ended["results"][2]["result"] == "HELLO, ADA!"
    running.await_no_lag("coordinator", "projector")
    shown = json.loads(motet(running, "plan", ended["plan_id"], "--json"))
    assert [call["status"] for call in shown["calls"]] == ["SUCCEEDED"] * 3
    assert shown["history_sha256"] == ended["history_sha256"]
    people = motet(running, "plan", ended["plan_id"][:10])
    assert "greeting.greet" in people
    assert "HELLO, ADA!" in people
    rows = json.loads(
        motet(running, "sql", "--json", f"SELECT count(*) AS n FROM calls WHERE plan_id = '{ended['plan_id']}'")
    )
    assert rows == [{"n": 3}]
    lines = motet(running, "events", "--plan", ended["plan_id"], "--json").splitlines()
    assert json.loads(lines[0])["type"] == "motet.events.PlanAdmitted"
    assert json.loads(lines[-1])["history_sha256"] == ended["history_sha256"]
    table = motet(running, "submit", str(EXAMPLES / "plan.yaml"), "--wait")
    assert "SUCCEEDED" in table


def test_the_same_key_from_the_command_line(running: World) -> None:
    """Twice in a row is once."""
    plan = str(EXAMPLES / "plan.yaml")
    first = json.loads(motet(running, "submit", plan, "--wait", "--json", "--key", f"once-{running.tenant}"))
    second = json.loads(motet(running, "submit", plan, "--wait", "--json", "--key", f"once-{running.tenant}"))
    assert second.pop("repeated")
    assert not first.pop("repeated")
    assert first == second


def test_what_a_person_did_wrong_is_one_line(running: World, tmp_path: Path) -> None:
    """No traceback, exit code 2, and what to do."""
    wrong = tmp_path / "plan.yaml"
    wrong.write_text("tenant: acme\ndomain: d\ncalls:\n  - tool: greeting.greet\n    argumens: {}\n")
    for arguments, told in (
        (("submit", str(wrong)), "calls.0.argumens"),
        (("submit", "nowhere.yaml"), "no file nowhere.yaml"),
        (("plan", "xyz"), "'xyz' is no plan id"),
        (("plan", "0" * 32), "there is no plan"),
        (("sql", "SELEC 1"), "syntax error"),
        (("sql", "DELETE FROM plans"), "read-only transaction"),
        (("serve", "nobody"), "there is no service 'nobody'"),
        (("tools", "list", "nowhere.module"), "no module"),
    ):
        said = motet(running, *arguments, code=2)
        assert told in " ".join(said.split())
        assert "Traceback" not in said


def test_a_rejected_plan_exits_with_one(running: World, tmp_path: Path) -> None:
    """A script sees that nothing was run, a person sees why."""
    file = tmp_path / "plan.yaml"
    file.write_text("{tenant: acme, domain: d, calls: [{tool: greeting.great, arguments: {}}]}")
    said = motet(running, "submit", str(file), "--wait", code=1)
    assert "UNKNOWN_TOOL" in said
    assert "greeting.greet" in said


def test_events_can_be_followed(running: World) -> None:
    """`motet events --follow` shows what happens from now on."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "motet", "events", "--follow", "--json", "--tenant", running.tenant],
        env=environment(running),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stdout is not None
    process.stderr.readline()
    with running.client() as client:
        plan = client.run([Call("greeting.shout", {"text": "followed"})])
    kinds = []
    while "motet.events.PlanEnded" not in kinds:
        event = json.loads(process.stdout.readline())
        assert event["plan_id"] == plan.plan_id
        kinds.append(event["type"])
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) == 130
    process.stdout.close()
    process.stderr.close()


def test_a_projection_built_again_is_equal(running: World) -> None:
    """P5, from the command line."""
    running.await_no_lag("coordinator", "projector")
    rebuilt = json.loads(motet(running, "rebuild", "--json"))
    assert rebuilt["equal"]
    assert rebuilt["tables"]["calls"]["rows_rebuilt"] > 0


def test_an_outsider_reads_every_topic(running: World) -> None:
    """confluent-kafka's own AvroDeserializer, with nothing but the registry, decodes every record that Motet wrote."""
    registry = SchemaRegistryClient({"url": running.addresses.registry})
    deserialize = AvroDeserializer(registry, conf={"subject.name.strategy": topic_record_subject_name_strategy})
    topics = [topic.name.replace("<toolset>", "greeting") for topic in catalog()[1] if "<agent>" not in topic.name]
    for topic in topics:
        for message in running.messages(topic):
            # Anybody may put anything on the door, and other tests do: of it only what this file's clients wrote.
            if entry(topic).kind == "door" and not (message.key or b"").startswith(
                (b"acme/greetings", running.tenant.encode())
            ):
                continue
            record = deserialize(message.value, SerializationContext(topic, MessageField.VALUE))
            assert isinstance(record, dict)
    for topic in (
        "motet.commands",
        "motet.invocations.greeting",
        "motet.results",
        "motet.events",
        "motet.contracts",
        "motet.merges",
    ):
        assert running.messages(topic), topic
    subjects = set(registry.get_subjects())
    for topic in topics:
        for record in entry(topic).records:
            assert f"{topic}-{record}" in subjects
    assert registry.get_config().compatibility_level == "FULL_TRANSITIVE"
    registry.close()


def test_a_client_says_what_is_wrong(running: World) -> None:
    """A plan that JSON cannot carry is refused before Kafka sees it."""
    with (
        Client(running.addresses.kafka, running.addresses.registry) as client,
        pytest.raises(Exception, match="call 0"),
    ):
        client.submit([Call("greeting.shout", {"text": float("nan")})])
