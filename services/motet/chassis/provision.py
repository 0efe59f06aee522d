"""Creates topics and registers schemas as `schemas/topics.yaml` says. Safe to run again, and by several at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from motet.catalog.location import schemas_directory
from motet.chassis.errors import ConfigurationError
from motet.chassis.kafka_login import reaching

if TYPE_CHECKING:
    # Who only wants to know which topics there are does without its sign-in, which takes long to load.
    from motet.chassis.registry import Registry

# Topics that there are one of a tool service, or of an agent's service: which ones there are follows from who runs.
PLACEHOLDER: Final = re.compile(r"<[a-z]+>")
SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Topic:
    """One entry of the topics file."""

    name: str
    kind: str
    records: tuple[str, ...]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    config: dict[str, str]


@cache
def catalog() -> tuple[int, tuple[Topic, ...]]:
    """The partition count and every topic of the topics file."""
    content: dict[str, Any] = yaml.safe_load((schemas_directory() / "topics.yaml").read_text())
    topics = tuple(
        Topic(
            name,
            entry["kind"],
            tuple(entry["records"]),
            tuple(entry["producers"]),
            tuple(entry["consumers"]),
            {key: str(value) for key, value in entry["config"].items()},
        )
        for name, entry in content["topics"].items()
    )
    return content["partitions"], topics


def entry(topic: str) -> Topic:
    """The entry that describes a topic, `motet.invocations.bank` by `motet.invocations.<toolset>`."""
    for one in catalog()[1]:
        prefix, *placeholder = PLACEHOLDER.split(one.name)
        if one.name == topic or (placeholder and topic.startswith(prefix) and len(topic) > len(prefix)):
            return one
    raise ConfigurationError(f"topic {topic} is not in schemas/topics.yaml")


def ensure(bootstrap: str, registry: Registry, topics: tuple[str, ...]) -> int:
    """Creates the topics that are missing, registers their schemas, and returns their common partition count.

    Raises ConfigurationError if a topic has another count: topics of one count are what makes shards.
    """
    topics = tuple(dict.fromkeys(topics))
    admin = AdminClient(reaching(bootstrap))
    partitions = catalog()[0]
    present = admin.list_topics(timeout=SECONDS).topics
    missing = [NewTopic(name, partitions, config=entry(name).config) for name in topics if name not in present]
    if missing:
        for name, future in admin.create_topics(missing, operation_timeout=SECONDS).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise ConfigurationError(f"topic {name} cannot be created: {error.args[0].str()}") from error
    for name in topics:
        if name in present and len(present[name].partitions) != partitions:
            raise ConfigurationError(
                f"topic {name} has {len(present[name].partitions)} partitions and schemas/topics.yaml says {partitions}: "
                "all topics need the same number, and a keyed topic never gets more"
            )
        for record in entry(name).records:
            registry.schema_id(name, record)
    return partitions


def fixed_topics() -> tuple[str, ...]:
    """The topics that every installation has; a toolset brings its own."""
    return tuple(topic.name for topic in catalog()[1] if not PLACEHOLDER.search(topic.name))
