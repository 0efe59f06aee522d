"""What topics hold: their messages, the schemas that these were written in, and the settings that decided."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from motet.chassis.codec import Schemas, newest_schemas, schema_id_of
from motet.chassis.message import Message
from motet.chassis.settings import Settings

# Where the servers are and who this process is decides nothing.
PLACES: Final = frozenset(
    {
        "kafka_bootstrap",
        "postgres_url",
        "schema_registry_url",
        "replica",
        "ready_file",
        "log_level",
        "code_version",
        "archive_directory",
    }
)


@dataclass(frozen=True, slots=True)
class History:
    """Messages, by topic, partition and offset in order.

    `covered` says up to which outbox position the group of a service committed a shard: what was decided below is surely among the messages.
    None: everything that was decided is.
    """

    messages: Sequence[Message]
    schemas: Mapping[int, str]
    partitions: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    covered: Mapping[tuple[str, int], int] | None = None

    def covered_of(self, service: str, shard: int) -> int:
        """Up to which position a shard's group committed."""
        return (self.covered or {}).get((service, shard), 0)

    def settings_with(self, settings: Settings) -> Settings:
        """The settings that decided then, on today's servers."""
        return settings.model_copy(
            update={name: self.settings[name] for name in Settings.model_fields if name in self.settings}
        )


def deciding(settings: Settings) -> dict[str, Any]:
    """The settings that decide something."""
    return settings.model_dump(mode="json", exclude=set(PLACES))


class RecordedSchemas:
    """The ids that a history knows, and ids of their own for those of today's schemas that it lacks. It registers nothing.

    What is to be published needs ids that others can read: then `registry` has those that the history lacks.
    """

    def __init__(self, history: History, registry: Schemas | None = None) -> None:
        self.registry = registry
        self.texts = dict(history.schemas)
        self.newest = newest_schemas()
        self.names = {number: name_and_schema(text) for number, text in history.schemas.items()}
        self.ids: dict[tuple[str, str], int] = {}
        for topic, number in {(message.topic, schema_id_of(message.value or b"")) for message in history.messages}:
            name, schema = self.names.get(number or 0, ("", None))
            if name in self.newest and number is not None and schema == json.loads(self.newest[name]):
                self.ids[topic, name] = number

    def schema_id(self, topic: str, full_name: str) -> int:
        """The id of today's schema of a record type on a topic."""
        place = (topic, full_name)
        if place not in self.ids:
            own = max(self.texts, default=0) + 1
            self.ids[place] = own if self.registry is None else self.registry.schema_id(*place)
            self.texts[self.ids[place]] = self.newest[full_name]
        return self.ids[place]

    def schema(self, schema_id: int) -> str | None:
        """The schema of an id."""
        return self.texts.get(schema_id)


def name_and_schema(text: str) -> tuple[str, Any]:
    """A schema and its full name; no name for what is no record."""
    schema = json.loads(text)
    if not isinstance(schema, dict) or "name" not in schema:
        return "", schema
    return (f"{schema['namespace']}.{schema['name']}" if "namespace" in schema else schema["name"]), schema
