"""The AsyncAPI document says what the topics file, the schemas and the code say; the page says what the document says."""

from __future__ import annotations

import copy
import html
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest
import typer
import yaml
from typer.testing import CliRunner

from motet.catalog import asyncapi, asyncapi_page
from motet.catalog.asyncapi_page import named_types, page
from motet.catalog.location import schemas_directory
from motet.chassis import decided_by, lanes, outbox
from motet.chassis.codec import newest_schemas
from motet.chassis.consuming import consumer_settings
from motet.chassis.errors import ConfigurationError
from motet.chassis.settings import Settings
from motet.cli import asyncapi as command

# The official schema, out of the npm package @asyncapi/specs 6.11.1 (© AsyncAPI Initiative, Apache-2.0), byte for byte.
OFFICIAL: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "asyncapi-3.0.0.json").read_text())
TOPICS: Final[dict[str, Any]] = yaml.safe_load((schemas_directory() / "topics.yaml").read_text())["topics"]
SCHEMAS: Final = {name: json.loads(text) for name, text in newest_schemas().items()}
DOCUMENT: Final = asyncapi.document(None)
# What a page must not take for HTML, and the keys whose values decide how the page is made.
POISON: Final = "<x>&\"'"
STRUCTURE: Final = {"$ref", "type", "items", "namespace", "action", "cleanup.policy"}


def offline(address: str) -> Any:
    """Fetches nothing."""
    raise AssertionError(f"{address} is not in the schema")


VALIDATOR: Final = jsonschema_rs.validator_for(OFFICIAL, retriever=offline)


def messages() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every message, with its topic's name in the topics file and its entry there."""
    for name, entry in TOPICS.items():
        for message in DOCUMENT["channels"][asyncapi.identifier(name)]["messages"].values():
            yield name, entry, message


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with another value at a place, `a/b/c`; None takes it away."""
    content = copy.deepcopy(DOCUMENT)
    *parents, last = path.split("/")
    inner = content
    for part in parents:
        inner = inner[part]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return content


# -- the document --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bootstrap", [None, "kafka:9092", "one:9092, two:9092"])
def test_the_document_is_valid(bootstrap: str | None) -> None:
    """The official JSON Schema accepts it, payloads in Avro and Kafka's bindings included, and fetches nothing for that."""
    content = asyncapi.document(bootstrap)
    assert [f"{error.instance_path}: {error.message}" for error in VALIDATOR.iter_errors(content)] == []
    hosts = [one["host"] for one in content["servers"].values()]
    assert hosts == (["{bootstrap}"] if bootstrap is None else bootstrap.split(", "))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("info", None),
        ("asyncapi", "2.6.0"),
        ("servers/kafka/protocol", None),
        ("channels/motet.events/partitions", 4),
        ("channels/motet.events/bindings/kafka/partitions", "4"),
        ("channels/motet.events/bindings/kafka/topicConfiguration/retention.ms", "-1"),
        ("channels/motet.events/messages/motet.events.PlanEnded/payload/schema/fields", None),
        ("channels/motet.events/messages/motet.events.PlanEnded/bindings/kafka/schemaIdLocation", "elsewhere"),
        ("channels/motet.events/messages/motet.events.PlanEnded/correlationId/location", "meta"),
        ("components/schemas/lane-headers/required", "motet-lane"),
        ("operations/coordinator.send.motet.events/action", "publish"),
        ("operations/coordinator.send.motet.events/channel", None),
    ],
)
def test_a_broken_document_is_seen(path: str, value: Any) -> None:
    """One mistake, anywhere, and it is not valid."""
    assert not VALIDATOR.is_valid(changed(path, value))


def test_every_topic_and_every_record_is_in_it() -> None:
    """A channel a topic, with its purpose, its settings and its parameters; a message a record, in its newest schema and under its key."""
    assert list(DOCUMENT["channels"]) == [asyncapi.identifier(name) for name in TOPICS]
    for name, entry in TOPICS.items():
        channel = DOCUMENT["channels"][asyncapi.identifier(name)]
        assert (channel["address"], channel["description"]) == (asyncapi.templated(name), entry["purpose"])
        assert list(channel["messages"]) == entry["records"]
        assert list(channel.get("parameters", ())) == re.findall("<([a-z]+)>", name)
        settings = channel["bindings"]["kafka"]["topicConfiguration"]
        said = {key: ",".join(value) if isinstance(value, list) else str(value) for key, value in settings.items()}
        assert said == entry["config"]
    assert {message["name"] for _, _, message in messages()} == set(SCHEMAS)
    for _, entry, message in messages():
        assert message["payload"] == {"schemaFormat": asyncapi.AVRO, "schema": SCHEMAS[message["name"]]}
        assert message["bindings"]["kafka"]["key"]["description"] == entry["key"]
        number = message["x-version"]
        example = schemas_directory() / "examples" / f"{message['name']}.v{number}.json"
        assert message["examples"][0]["payload"] == json.loads(example.read_text())


def test_every_end_of_a_topic_is_an_operation() -> None:
    """Who sends and who receives is what the topics file lists, no more and no less, and each operation has its service's tag."""
    said = {
        (one["channel"]["$ref"], one["action"], tag["name"])
        for one in DOCUMENT["operations"].values()
        for tag in one["tags"]
    }
    listed = [
        (f"#/channels/{asyncapi.identifier(name)}", action, asyncapi.templated(who))
        for name, entry in TOPICS.items()
        for side, action in (("producers", "send"), ("consumers", "receive"))
        for who in entry[side]
    ]
    assert said == set(listed)
    assert len(DOCUMENT["operations"]) == len(listed)
    assert {tag["name"] for tag in DOCUMENT["info"]["tags"]} == {who for _, _, who in listed}


def unresolved(content: dict[str, Any]) -> list[str]:
    """References to nothing."""

    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            value = list(value.values())
        for one in value if isinstance(value, list) else ():
            yield from references(one)

    def resolves(reference: str) -> bool:
        place: Any = content
        for part in reference.removeprefix("#/").split("/"):
            place = place.get(part) if isinstance(place, dict) else None
        return place is not None

    return [one for one in references(content) if not resolves(one)]


def test_every_reference_resolves() -> None:
    """Operations name channels and messages name headers that are there; without one of them that is seen."""
    assert unresolved(DOCUMENT) == []
    assert "#/channels/motet.events" in unresolved(changed("channels/motet.events", None))
    assert "#/components/schemas/fact-headers" in unresolved(changed("components/schemas/fact-headers", None))


@pytest.mark.parametrize(
    ("trace", "said"), [(None, None), ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "code=1")]
)
def test_headers_are_what_the_code_sends(trace: str | None, said: str | None) -> None:
    """A record's headers are those of its message: all that must be there and none beside them, with the constants that are said."""
    stamp = lanes.Stamp("coordinator", 1, 7, lanes.START, exogenous=False).pack()
    for name, _, message in messages():
        schema = DOCUMENT["components"]["schemas"][message["headers"]["$ref"].rpartition("/")[2]]
        traced = None if TOPICS[name]["kind"] == "door" else trace
        row = outbox.Row(0, "id", name, 0, b"", b"", message["name"], stamp, traced, said)
        sent = dict(row.headers())
        assert set(schema.get("required", ())) <= set(sent) <= set(schema["properties"])
        assert set(schema["properties"]) - set(sent) <= {"traceparent", decided_by.HEADER}
        constants = {header: one["const"].encode() for header, one in schema["properties"].items() if "const" in one}
        assert constants.items() <= sent.items()


def test_groups_are_those_of_the_services() -> None:
    """A receiving operation names the consumer group that the service's consumer joins; who is outside has none of ours."""
    nowhere = Settings(kafka_bootstrap="x:1", postgres_url="postgresql://x/x", schema_registry_url="http://x")
    for one in DOCUMENT["operations"].values():
        (tag,) = one["tags"]
        if one["action"] == "send" or tag["name"] in asyncapi.OUTSIDE:
            assert "bindings" not in one
            continue
        service = tag["name"].replace("{toolset}", "bank").replace("{agent}", "refunds")
        group = jsonschema_rs.validator_for(one["bindings"]["kafka"]["groupId"])
        assert group.is_valid(consumer_settings(service, nowhere)["group.id"])
        assert not group.is_valid("motet.tools-")
        assert not group.is_valid("motet.somebody")


def test_a_document_is_its_own() -> None:
    """Who changes a document changes no later one."""
    first = asyncapi.document(None)
    first["components"]["schemas"]["lane-headers"]["properties"].clear()
    assert asyncapi.document(None) == DOCUMENT


# -- the page ------------------------------------------------------------------------------------------------------------------


class Read(HTMLParser):
    """A page as a browser takes it: its places, its links, its elements, its text, and the fields under each place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.fields: dict[str, list[str]] = {}
        self.said = ""
        self.in_field = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes an element's place, link and names."""
        have = dict(attrs)
        self.elements.add(tag)
        self.attributes |= have.keys()
        if have.get("id"):
            self.ids.append(have["id"] or "")
        if "href" in have:
            self.links.add(have["href"] or "")
        self.in_field = tag == "code" and self.in_field if tag != "td" else have.get("data-is") == "field"

    def handle_data(self, data: str) -> None:
        """Takes text; a field belongs to the last place before it."""
        self.said += data
        if self.in_field:
            self.fields.setdefault(self.ids[-1], []).append(data)
            self.in_field = False


PAGE: Final = Read(page(DOCUMENT))


def test_the_page_names_every_topic_and_every_field() -> None:
    """Each topic and each record has a place, and under it every field in the schema's order; so has each type inside them."""
    for name, _, message in messages():
        place = f"{asyncapi.identifier(name)}/{message['title']}"
        assert asyncapi.templated(name) in PAGE.said
        assert {asyncapi.identifier(name), place} <= set(PAGE.ids)
        outer, *inner = named_types(SCHEMAS[message["name"]])
        assert PAGE.fields[place] == [field["name"] for field in outer.schema["fields"]]
        for one in inner:
            anchors = {f"types/{one.full_name}", f"{place}/{one.schema['name']}"} & set(PAGE.ids)
            assert len(anchors) == 1, one.full_name
            fields = [field["name"] for field in one.schema.get("fields", ())]
            assert PAGE.fields.get(anchors.pop(), []) == fields
            assert all(symbol in PAGE.said for symbol in one.schema.get("symbols", ()))


def test_the_page_says_who_and_how_long() -> None:
    """Purpose, key, senders and receivers, partitions and retention of every topic, and the example of every record."""
    text = page(DOCUMENT)
    for name, entry in TOPICS.items():
        part = text.split(f'<section id="{asyncapi.identifier(name)}">')[1].split("</section>")[0]
        for said in (
            entry["purpose"],
            entry["key"],
            asyncapi.templated(", ".join(entry["producers"])),
            asyncapi.templated(", ".join(entry["consumers"])),
            "for ever",
        ):
            assert html.escape(said) in part
        assert part.count("<summary>Example</summary>") == len(entry["records"])
    assert "one:9092" in page(asyncapi.document("one:9092"))
    week = {"cleanup.policy": ["delete"], "retention.ms": 604_800_000}
    assert asyncapi_page.kept(week) == "7 days"


def test_the_page_is_whole() -> None:
    """Every link goes to a place on it, no place comes twice, and it needs no script and nothing from elsewhere."""
    assert {link.removeprefix("#") for link in PAGE.links} <= set(PAGE.ids)
    assert len(PAGE.ids) == len(set(PAGE.ids))
    assert not PAGE.elements & {"script", "link", "img", "iframe", "object"}
    assert not PAGE.attributes & {"src", "srcset", "onclick", "onload", "style"}
    assert not any(word in asyncapi_page.STYLE for word in ("url(", "@import"))


def poisoned(value: Any, key: str = "") -> Any:
    """A document whose every text is also HTML, but for what decides how the page is made."""
    if isinstance(value, dict):
        named = value.get("type") in ("record", "enum")
        return {name: one if named and name == "name" else poisoned(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one, key) for one in value]
    return value + POISON if isinstance(value, str) and key not in STRUCTURE else value


def test_the_page_escapes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTML in a purpose, a field, a default, an example, a host or anywhere else is text; a page that does not escape it is seen."""
    content = poisoned(DOCUMENT | {"servers": asyncapi.document("kafka:9092")["servers"]})
    assert POISON in content["channels"]["motet.events"]["description"]
    read = Read(page(content))
    assert (read.elements, read.attributes) == (PAGE.elements, PAGE.attributes)
    purpose = TOPICS["motet.events"]["purpose"]
    assert purpose + POISON in read.said
    assert "kafka:9092" + POISON in read.said
    monkeypatch.setattr(asyncapi_page, "text", str)
    assert "x" in Read(page(content)).elements


# -- the command ---------------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    """What the command prints."""
    app = typer.Typer()
    app.command()(command.asyncapi)
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_prints_the_document() -> None:
    """As YAML that is read back as the same document, by readers of YAML 1.2 too: what looks like a number in it is quoted."""
    printed = run()
    assert yaml.safe_load(printed) == DOCUMENT
    assert "&id" not in printed
    assert command.as_yaml({"id": "95648e17", "port": 1, "mark": ".5", "plain": "a"}) == (
        'id: "95648e17"\nport: 1\nmark: ".5"\nplain: a\n'
    )


def test_the_command_writes_files(tmp_path: Path) -> None:
    """The suffix says the format; of each file it says what is in it; nothing else is printed."""
    yaml_file, json_file, html_file = (tmp_path / name for name in ("a.yaml", "a.json", "a.html"))
    said = run("--output", str(yaml_file), "--html", str(html_file)).splitlines()
    records = len(SCHEMAS)
    assert said == [
        f"{file}: {len(TOPICS)} topics, {records} record types, {len(DOCUMENT['operations'])} operations"
        for file in (yaml_file, html_file)
    ]
    run("--output", str(json_file), "--bootstrap", "kafka:9092")
    assert yaml.safe_load(yaml_file.read_text()) == DOCUMENT
    assert json.loads(json_file.read_text()) == asyncapi.document("kafka:9092")
    assert html_file.read_text() == page(DOCUMENT)


def test_the_command_refuses_what_it_cannot_write(tmp_path: Path) -> None:
    """Another suffix, and a folder that is not there: one sentence, and nothing is written."""
    with pytest.raises(ConfigurationError, match=r"a\.xml: the suffix says the format, and there are \.yaml"):
        run("--output", str(tmp_path / "a.xml"), "--html", str(tmp_path / "a.html"))
    with pytest.raises(ConfigurationError, match=r"cannot be written: No such file"):
        run("--html", str(tmp_path / "none" / "a.html"))
    assert list(tmp_path.iterdir()) == []
