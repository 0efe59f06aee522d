"""The schemas are the contract: examples, classes, compatibility, and a topics file that is what the services declare."""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path
from typing import Any, Final

import fastavro
import pytest
import yaml
from fastavro.validation import validate
from hypothesis import HealthCheck, given, settings

from contract import topic_file
from contract.avro_data import data_of
from contract.compatibility import breaks, versions
from motet import Agent, Message, agency, agents, coordinator
from motet.catalog import generate
from motet.catalog.location import schemas_directory
from motet.chassis import provision
from motet.chassis.codec import newest_schemas, parse
from motet.chassis.errors import ConfigurationError
from motet.chassis.hop import DEAD_LETTER_BYTES, RECORD_BYTES
from motet.chassis.service import Service
from motet.chassis.settings import Settings
from motet.checkpoints import handler as checkpoints
from motet.leases import handler as leases
from motet.projector import handler as projector
from motet.records import RECORDS
from motet.tools import Toolset, host

AVRO: Final = schemas_directory() / "avro"
EXAMPLES: Final = schemas_directory() / "examples"
TOPICS: Final[dict[str, Any]] = yaml.safe_load((schemas_directory() / "topics.yaml").read_text())
SCHEMAS: Final = versions(AVRO)
NEWEST: Final = {name: parse(json.loads(text)) for name, text in newest_schemas().items()}
EVERY: Final = [(name, version) for name, by_version in SCHEMAS.items() for version in by_version]
# A batch's header and a record's own headers come on top of its value.
OVERHEAD_BYTES: Final = 65_536
TOOLSET: Final = "<toolset>"
AGENT: Final = "<agent>"


def encoded(schema: Any, datum: Any) -> bytes:
    """A datum's bytes; writing is strict."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, datum, strict=True)
    return buffer.getvalue()


def decoded(schema: Any, value: bytes) -> Any:
    """A datum from its bytes, all of them."""
    buffer = io.BytesIO(value)
    datum = fastavro.schemaless_reader(buffer, schema, None)
    assert buffer.tell() == len(value)
    return datum


def as_json(schema: Any, datum: Any) -> Any:
    """Avro's JSON encoding of a datum."""
    text = io.StringIO()
    fastavro.json_writer(text, schema, [datum])
    return json.loads(text.getvalue())


def parts(schema: Any) -> list[dict[str, Any]]:
    """A schema and everything inside it."""
    if isinstance(schema, list):
        return [part for one in schema for part in parts(one)]
    if not isinstance(schema, dict):
        return []
    inner = [part for value in schema.values() if isinstance(value, (dict, list)) for part in parts(value)]
    return [schema, *inner]


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_every_version_of_a_record_has_an_example(name: str, version: int) -> None:
    """It decodes, and encoding it gives the same example, key for key: nothing in it is misspelt, nothing is left out."""
    schema = parse(SCHEMAS[name][version])
    content = json.loads((EXAMPLES / f"{name}.v{version}.json").read_text())
    (datum,) = fastavro.json_reader(io.StringIO(json.dumps(content)), schema)
    assert as_json(schema, datum) == content
    assert decoded(schema, encoded(schema, datum)) == datum


def test_every_example_belongs_to_a_schema() -> None:
    """An example of nothing would be decoded by nobody."""
    assert {path.name for path in EXAMPLES.iterdir()} == {f"{name}.v{version}.json" for name, version in EVERY}


@pytest.mark.parametrize("name", sorted(NEWEST))
def test_a_record_class_is_its_schema(name: str) -> None:
    """Whatever the schema allows becomes a record and the same bytes again, and equal data equal records."""
    schema, kind = NEWEST[name], RECORDS[name]

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data_of(schema))
    def law(datum: Any) -> None:
        value = encoded(schema, datum)
        record = kind.from_avro(decoded(schema, value))
        assert encoded(schema, record.to_avro()) == value
        assert kind.from_avro(decoded(schema, value)) == record
        assert kind.from_avro(record.to_avro()) == record

    law()


def test_every_schema_has_a_class_and_every_class_a_schema() -> None:
    """And the generated file is what the generator writes now."""
    assert set(RECORDS) == set(NEWEST)
    assert all(name == kind.FULL_NAME for name, kind in RECORDS.items())
    assert generate.main(["--check"]) == 0


def test_a_stale_class_is_seen(tmp_path: Path) -> None:
    """A field more in a schema is other code."""
    for path in AVRO.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    changed = tmp_path / "motet.events.CallsStarted.v2.avsc"
    schema = json.loads(changed.read_text())
    schema["fields"].append({"name": "extra", "type": "int", "default": 0})
    changed.write_text(json.dumps(schema))
    assert generate.generate(tmp_path) != generate.TARGET.read_text() == generate.generate(AVRO)


def test_every_version_is_compatible_with_all_before_it() -> None:
    """FULL_TRANSITIVE, from the files alone."""
    assert breaks(AVRO) == []


def test_an_incompatible_next_version_is_seen(tmp_path: Path) -> None:
    """A next version of a real record that drops a field without a default."""
    for path in AVRO.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    schema = json.loads((AVRO / "motet.events.PlanEnded.v1.avsc").read_text())
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "history_sha256"]
    (tmp_path / "motet.events.PlanEnded.v3.avsc").write_text(json.dumps(schema))
    found = breaks(tmp_path)
    assert any(fault.startswith("motet.events.PlanEnded: v1 cannot read v3: history_sha256") for fault in found)


@pytest.mark.parametrize(("name", "version"), EVERY)
def test_a_schema_can_grow(name: str, version: int) -> None:
    """Every enum has a default for the symbols of later versions, every default is of its type, and everything says what it is."""
    schema = SCHEMAS[name][version]
    for part in parts(schema):
        if part.get("type") == "enum":
            assert part.get("default") in part["symbols"], part["name"]
        if part.get("type") in ("enum", "record"):
            assert part["doc"], part["name"]
        for field in part.get("fields", ()):
            assert field["doc"], field["name"]
            if "default" in field:
                first = field["type"][0] if isinstance(field["type"], list) else field["type"]
                assert validate(field["default"], parse(first), raise_errors=False), field["name"]


# -- topics --------------------------------------------------------------------------------------------------------------------


def declared() -> list[Service]:
    """The services as they declare themselves, tool services as one that could have any name."""
    nowhere = Settings(
        kafka_bootstrap="localhost:1",
        postgres_url="postgresql://localhost:1/x",
        schema_registry_url="http://localhost:1",
    )
    return [
        coordinator.service(nowhere),
        agents.service(nowhere),
        leases.service(nowhere),
        checkpoints.declaration(nowhere, None),
        projector.declaration(),
        host.declaration(Toolset("toolset"), nowhere),
        agency.service(an_agent(), nowhere),
    ]


def an_agent() -> Agent[Any]:
    """An agent that could have any name, and tells another."""
    agent = Agent("agent", state=dict, tells=["other"])

    @agent.on_message
    def heard(state: dict[str, Any], message: Message) -> dict[str, Any]:
        """Takes whatever it is told."""
        return {**state, "heard": message.content}

    return agent


def general(name: str) -> str:
    """A tool service's or an agent's name or topic with its place-holder."""
    for plain, general_name in (
        ("tools-toolset", f"tools-{TOOLSET}"),
        ("invocations.toolset", f"invocations.{TOOLSET}"),
        ("agent-agent", f"agent-{AGENT}"),
        ("messages.agent", f"messages.{AGENT}"),
        ("messages.other", f"messages.{AGENT}"),
    ):
        name = name.replace(plain, general_name)
    return name


def sides() -> dict[str, dict[str, set[str]]]:
    """Who writes and who reads each topic, as the services declare it."""
    found: dict[str, dict[str, set[str]]] = {
        name: {"producers": set(), "consumers": set()} for name in TOPICS["topics"]
    }
    for service in declared():
        for one in service.inputs:
            found[general(one.topic)]["consumers"].add(general(service.name))
        for topic in service.outputs:
            found[general(topic)]["producers"].add(general(service.name))
    # Which toolsets there are a host of plans learns from their contracts.
    found[f"motet.invocations.{TOOLSET}"]["producers"] |= {"coordinator", "agents"}
    return found


def faults(content: Any) -> list[str]:
    """What is wrong with a topics file."""
    return list(topic_file.faults(content, set(SCHEMAS), {general(service.name) for service in declared()}))


def test_the_topics_file_says_nothing_that_nobody_reads() -> None:
    """Keys, kinds, records, services and settings are all known."""
    assert faults(TOPICS) == []
    on_topics = {record for entry in TOPICS["topics"].values() for record in entry["records"]}
    assert on_topics == set(SCHEMAS)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("retention", "1", "'retention' is no key"),
        ("kind", "lane", "kind is 'lane'"),
        ("records", [], "carries no records"),
        ("records", ["motet.events.Nothing"], "motet.events.Nothing has no schema"),
        ("producers", ["coordinater"], "producers names 'coordinater', which is no service"),
        ("consumers", ["auditor"], "consumers names 'auditor', which is no service"),
        ("config", {"max.message.byte": "1"}, "'max.message.byte' is no key"),
        ("config", {"retention.ms": -1}, "a setting is -1"),
    ],
)
def test_a_misspelt_topics_file_is_seen(key: str, value: Any, said: str) -> None:
    """One entry with one mistake."""
    entry = {**TOPICS["topics"]["motet.events"], key: value}
    content = {**TOPICS, "topics": {**TOPICS["topics"], "motet.events": entry}}
    assert any(said in fault for fault in faults(content))
    without = {name: one for name, one in TOPICS["topics"]["motet.events"].items() if name != key}
    if key in topic_file.ENTRY:
        assert any(f"{key!r} is missing" in fault for fault in faults({**TOPICS, "topics": {"motet.events": without}}))
    assert any("partitions is 0" in fault for fault in faults({**TOPICS, "partitions": 0}))


@pytest.mark.parametrize("name", sorted(TOPICS["topics"]))
@pytest.mark.parametrize("side", ["producers", "consumers"])
def test_the_topics_file_is_what_the_services_declare(name: str, side: str) -> None:
    """Nobody else writes or reads, and everybody named does; clients and your own consumers are outside."""
    assert set(TOPICS["topics"][name][side]) - topic_file.OUTSIDE == sides()[name][side]


def test_every_service_of_the_code_is_compared() -> None:
    """A new service folder with a declaration must come into this test."""
    folders = {
        path.parent.name
        for path in Path(projector.__file__).parent.parent.glob("*/__init__.py")
        if path.parent.name == "tools"
        or any(importlib.util.find_spec(f"motet.{path.parent.name}.{one}") for one in ("handler", "declaration"))
    }
    assert folders == {"coordinator", "agency", "agents", "checkpoints", "leases", "projector", "tools"}


@pytest.mark.parametrize("name", sorted(TOPICS["topics"]))
def test_a_topic_takes_the_largest_record(name: str) -> None:
    """What the hop lets into an outbox the broker must take, or the outbox would be poisoned; facts are kept for ever."""
    entry = TOPICS["topics"][name]
    limit = DEAD_LETTER_BYTES if name == "motet.dead-letters" else RECORD_BYTES
    assert int(entry["config"]["max.message.bytes"]) >= limit + OVERHEAD_BYTES
    if entry["config"]["cleanup.policy"] == "delete":
        assert entry["config"]["retention.ms"] == "-1"
    else:
        assert name == "motet.contracts"


def test_the_chassis_reads_the_same_file() -> None:
    """Every topic is found by its name, a tool service's by its pattern, and no other."""
    partitions, topics = provision.catalog()
    assert (partitions, {topic.name for topic in topics}) == (TOPICS["partitions"], set(TOPICS["topics"]))
    assert provision.entry("motet.invocations.bank").name == f"motet.invocations.{TOOLSET}"
    assert provision.entry("motet.messages.desk").name == f"motet.messages.{AGENT}"
    assert "<" not in "".join(provision.fixed_topics())
    for unknown in ("motet.event", "motet.invocations.", "motet.messages.", "other"):
        with pytest.raises(ConfigurationError, match=r"is not in schemas/topics\.yaml"):
            provision.entry(unknown)
