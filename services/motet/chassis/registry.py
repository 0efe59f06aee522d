"""The schema registry, asked once and remembered: services need it when they start and when a new schema arrives."""

from __future__ import annotations

import time
from typing import Final

import stamina
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from httpx2 import TransportError

from motet.chassis.codec import every_schema
from motet.chassis.errors import RegistryUnavailable

# An id that the registry does not know is not asked for again at once: garbage must not become load on the registry.
UNKNOWN_SECONDS: Final = 30.0
UNKNOWN_LIMIT: Final = 10_000
NOT_FOUND: Final = 404


def subject(topic: str, full_name: str) -> str:
    """The subject of a record type on a topic (TopicRecordNameStrategy)."""
    return f"{topic}-{full_name}"


class Registry:
    """A cache before the registry's Confluent REST API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = SchemaRegistryClient({"url": url, "timeout": 5})
        self.ids: dict[tuple[str, str], int] = {}
        self.texts: dict[int, str] = {}
        self.unknown: dict[int, float] = {}

    def schema_id(self, topic: str, full_name: str) -> int:
        """The id of our newest schema of a record type on a topic; registers it where it is missing.

        Former versions are registered before it: clients still write them, and the registry compares each with all before.
        """
        place = (topic, full_name)
        if place not in self.ids:
            for text in every_schema()[full_name]:
                newest = self.register(place, text)
            self.ids[place] = newest
        return self.ids[place]

    def register(self, place: tuple[str, str], text: str) -> int:
        """One version's id."""
        for attempt in stamina.retry_context(on=(TransportError, SchemaRegistryError), attempts=8, timeout=30.0):
            with attempt:
                return int(self.client.register_schema(subject(*place), Schema(text, "AVRO")))
        raise RegistryUnavailable(f"{self.url} did not register {subject(*place)}")

    def schema(self, schema_id: int) -> str | None:
        """The schema of an id; None if there is none. Raises RegistryUnavailable."""
        text = self.texts.get(schema_id)
        if text is not None:
            return text
        if self.unknown.get(schema_id, 0.0) > time.monotonic():
            return None
        try:
            text = self.client.get_schema(schema_id).schema_str
        except SchemaRegistryError as error:
            if error.http_status_code != NOT_FOUND:
                raise RegistryUnavailable(
                    f"{self.url} answered {error.http_status_code} for schema {schema_id}"
                ) from error
            if len(self.unknown) >= UNKNOWN_LIMIT:
                self.unknown.clear()
            self.unknown[schema_id] = time.monotonic() + UNKNOWN_SECONDS
            return None
        except TransportError as error:
            raise RegistryUnavailable(f"{self.url} did not answer for schema {schema_id}: {error}") from error
        if text is not None:
            self.texts[schema_id] = text
        return text

    def close(self) -> None:
        """Closes the connections."""
        self.client.close()
