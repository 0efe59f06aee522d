"""Every topic as one AsyncAPI 3.0.0 document, made from `schemas/`: who sends and receives what, under which key, in which schema.

A channel is a topic, a message a record type on it, an operation one service's end of a topic. `<toolset>` is written `{toolset}`: that is
AsyncAPI's way, and Markdown, which the descriptions are, would take the other one for a tag.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from importlib.metadata import version
from typing import Any, Final

import yaml

from motet.catalog.generate import VERSION
from motet.catalog.location import schemas_directory
from motet.chassis.decided_by import FACTS
from motet.chassis.decided_by import HEADER as DECIDED
from motet.chassis.lanes import HEADER

AVRO: Final = "application/vnd.apache.avro+json;version=1.9.0"
CONTENT: Final = "avro/binary"
BINDING: Final = "0.5.0"
PLACEHOLDER: Final = re.compile("<([a-z]+)>")
NAMED: Final = {
    "toolset": ("The toolset's name. Each toolset has a topic and a service of its own.", "bank"),
    "agent": ("The agent's name. Each agent has a door and a service of its own.", "refunds"),
}
# Who is no service of Motet.
OUTSIDE: Final = {
    "any client": "No service of Motet: any Kafka client that may write to the topic.",
    "your consumers": "No service of Motet: any Kafka client that may read the topic.",
}
ACTIONS: Final = {"producers": "send", "consumers": "receive"}

ABOUT: Final = (
    "Every topic of Motet, generated from its schemas. A value is Avro in the Confluent wire format: a zero byte, the schema's id in four "
    "bytes, the datum. A schema is registered under topic-record (TopicRecordNameStrategy), and is FULL_TRANSITIVE compatible with all "
    "before it. Topics of kind door are open to any Kafka client; a command's partition is that of Java's default partitioner (murmur2) for "
    "its key. To topics of kind lanes Motet's services alone write."
)
LANE: Final = {
    "type": "string",
    "format": "binary",
    "description": (
        "The record's place on its lane, packed big-endian: version (1 byte), flags (1 byte; 1: no input caused the record), shard (4 bytes), "
        "number on the lane (8 bytes), digest of the record before it (32 bytes), the sending service's name in UTF-8. A digest is SHA-256 "
        "over the digest before it, the number (8 bytes), the key's length (4 bytes), the key and the value."
    ),
}
TRACE: Final = {"type": "string", "description": "W3C trace context of the command, where it had one."}
CLOUD_EVENT: Final = {
    "ce_specversion": {"type": "string", "const": "1.0", "description": "CloudEvents version."},
    "ce_type": {"type": "string", "description": "The record type's full name."},
    "ce_id": {"type": "string", "description": "The event's id, which a replay mints again."},
    "ce_source": {"type": "string", "const": "/motet", "description": "Always /motet."},
}
# Not in facts from before it.
DECIDED_BY: Final = {
    "type": "string",
    "description": (
        "What the fact was decided by: name=value, with semicolons between. code: what the process that decided it runs. Of a plan's event "
        "also strategy (ORCHESTRATED, CHOREOGRAPHED or HYBRID), rules (their version), workflow (the name of its definition) and contracts "
        "(tool@version, with commas between; of many their number, a colon, and the SHA-256 of that text). What is not ASCII, and any of ;=%, "
        "is written %XX of its UTF-8. What is not known is left out."
    ),
    "examples": [
        "code=0.1.0+3fa9c1d20b6e;strategy=ORCHESTRATED;rules=4;workflow=refund@3;contracts=pay.charge@3,stock.take@1"
    ],
}
HEADERS: Final[dict[str, dict[str, Any]]] = {
    "door-headers": {
        "type": "object",
        "description": "A client sends none. A service that puts a misplaced command into its own partition adds its lane.",
        "properties": {HEADER: LANE},
    },
    "lane-headers": {
        "type": "object",
        "description": "Headers of a record that a service of Motet wrote.",
        "required": [HEADER],
        "properties": {HEADER: LANE, "traceparent": TRACE},
    },
    "fact-headers": {
        "type": "object",
        "description": "Headers of a fact that others read: its lane, and what CloudEvents says of an event.",
        "required": [HEADER, *CLOUD_EVENT],
        "properties": {HEADER: LANE, **CLOUD_EVENT, DECIDED: DECIDED_BY, "traceparent": TRACE},
    },
}


def document(bootstrap: str | None) -> dict[str, Any]:
    """The document, as plain data. Its servers are those of `bootstrap` (host:port,…), or a variable that the reader fills in."""
    content: dict[str, Any] = yaml.safe_load((schemas_directory() / "topics.yaml").read_text(encoding="utf-8"))
    versions, topics = newest_versions(), content["topics"]
    services = {who for entry in topics.values() for side in ACTIONS for who in entry[side]}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Motet",
            "version": version("motet"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
            "tags": [tag(who) for who in sorted(services)],
        },
        "defaultContentType": CONTENT,
        "servers": servers(bootstrap),
        "channels": {
            identifier(name): channel(name, entry, content["partitions"], versions) for name, entry in topics.items()
        },
        "operations": {
            f"{identifier(who)}.{action}.{identifier(name)}": operation(name, entry, who, action)
            for name, entry in topics.items()
            for side, action in ACTIONS.items()
            for who in entry[side]
        },
        "components": {"schemas": deepcopy(HEADERS)},
    }


def newest_versions() -> dict[str, int]:
    """The number of the newest version of every record type, by full name."""
    found: dict[str, int] = {}
    for path in (schemas_directory() / "avro").iterdir():
        if match := VERSION.match(path.name):
            found[match["name"]] = max(found.get(match["name"], 0), int(match["version"]))
    return found


def templated(name: str) -> str:
    """A name with its place-holder as AsyncAPI writes it: `motet.invocations.{toolset}`."""
    return PLACEHOLDER.sub(r"{\1}", name)


def identifier(name: str) -> str:
    """A name as a key that a reference can hold as it is: `any-client`, `tools-toolset`."""
    return PLACEHOLDER.sub(r"\1", name).replace(" ", "-")


def tag(who: str) -> dict[str, str]:
    """A service as a tag."""
    return {"name": templated(who)} | ({"description": OUTSIDE[who]} if who in OUTSIDE else {})


def servers(bootstrap: str | None) -> dict[str, Any]:
    """One server for each address."""
    about = {
        "protocol": "kafka",
        "description": "The Kafka cluster; record schemas are in a registry that speaks the Confluent REST API.",
        "bindings": {"kafka": {"schemaRegistryVendor": "confluent", "bindingVersion": BINDING}},
    }
    if bootstrap is None:
        variable = {"default": "localhost:9092", "description": "One of Kafka's bootstrap servers, host:port."}
        return {"kafka": {"host": "{bootstrap}", **about, "variables": {"bootstrap": variable}}}
    addresses = [one.strip() for one in bootstrap.split(",") if one.strip()]
    return {
        f"kafka-{number}" if number > 1 else "kafka": {"host": address, **about}
        for number, address in enumerate(addresses, 1)
    }


def channel(name: str, entry: dict[str, Any], partitions: int, versions: dict[str, int]) -> dict[str, Any]:
    """A topic. Its settings are numbers where Kafka's own are."""
    settings = {
        key: value.split(",") if key == "cleanup.policy" else int(value) for key, value in entry["config"].items()
    }
    out: dict[str, Any] = {
        "address": templated(name),
        "title": templated(name),
        "description": entry["purpose"],
        "messages": {record: message(name, entry, record, versions[record]) for record in entry["records"]},
        "tags": [tag(who) for who in dict.fromkeys((*entry["producers"], *entry["consumers"]))],
        "bindings": {
            "kafka": {"partitions": partitions, "topicConfiguration": settings, "bindingVersion": BINDING},
        },
        "x-kind": entry["kind"],
    }
    for parameter in PLACEHOLDER.findall(name):
        about, example = NAMED[parameter]
        out["parameters"] = {parameter: {"description": about, "examples": [example]}}
    return out


def message(topic: str, entry: dict[str, Any], record: str, number: int) -> dict[str, Any]:
    """A record type on a topic: the newest version of its schema and that version's example."""
    schema = json.loads((schemas_directory() / "avro" / f"{record}.v{number}.avsc").read_text(encoding="utf-8"))
    example = json.loads((schemas_directory() / "examples" / f"{record}.v{number}.json").read_text(encoding="utf-8"))
    out: dict[str, Any] = {
        "name": record,
        "title": schema["name"],
        "description": schema["doc"],
        "contentType": CONTENT,
        "headers": {"$ref": f"#/components/schemas/{headers_of(topic, entry['kind'])}"},
        "payload": {"schemaFormat": AVRO, "schema": schema},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": entry["key"]},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "TopicRecordNameStrategy",
                "bindingVersion": BINDING,
            }
        },
        "examples": [
            {"name": f"{schema['name']}.v{number}", "summary": "In Avro's JSON encoding.", "payload": example}
        ],
        "x-version": number,
    }
    if location := correlation({field["name"] for field in schema["fields"]}):
        out["correlationId"] = {
            "location": f"$message.payload#{location}",
            "description": "What the record belongs to.",
        }
    return out


def correlation(fields: set[str]) -> str:
    """Where a record says what it belongs to: an event in its meta, a command by itself; empty if it does not say."""
    if "meta" in fields:
        return "/meta/correlation_id"
    return "/correlation_id" if "correlation_id" in fields else ""


def headers_of(topic: str, kind: str) -> str:
    """Which of the headers' schemas a topic's records have."""
    if topic in FACTS:
        return "fact-headers"
    return "door-headers" if kind == "door" else "lane-headers"


def operation(topic: str, entry: dict[str, Any], who: str, action: str) -> dict[str, Any]:
    """One service's end of a topic, with all of its records."""
    out: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": f"#/channels/{identifier(topic)}"},
        "summary": f"{templated(who)} {'writes' if action == 'send' else 'reads'} {templated(topic)}",
        "description": entry["purpose"],
        "tags": [tag(who)],
    }
    if who in OUTSIDE:
        return out
    if action == "receive":
        out["bindings"] = {"kafka": {"groupId": group(who), "bindingVersion": BINDING}}
    elif entry["kind"] == "door":
        out["description"] = (
            "Puts commands that came into another partition than their key's into their own, byte for byte."
        )
    return out


def group(who: str) -> dict[str, Any]:
    """The consumer group of a service, of which a toolset's has its name."""
    prefix, *placeholder = PLACEHOLDER.split(f"motet.{who}")
    if placeholder:
        return {"type": "string", "pattern": f"^{prefix.replace('.', '[.]')}[a-z][a-z0-9-]*$"}
    return {"type": "string", "enum": [prefix]}
