"""What is wrong with a topics file, by itself: a misspelt key would switch off what it was meant to say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

TOP: Final = {"partitions", "topics"}
ENTRY: Final = {"purpose", "kind", "key", "records", "producers", "consumers", "config"}
KINDS: Final = {"door", "lanes"}
# Kafka's topic settings that Motet uses; another one is added here on purpose, a misspelt one is not.
CONFIG: Final = {"cleanup.policy", "retention.ms", "max.message.bytes"}
# Those who are no service of Motet.
OUTSIDE: Final = {"any client", "your consumers"}


def faults(content: Any, records: set[str], services: set[str]) -> Iterator[str]:
    """Everything that is wrong, each with its place; `records` have a schema, `services` exist."""
    yield from keys("the file", content, TOP)
    if not isinstance(content.get("partitions"), int) or content["partitions"] < 1:
        yield f"partitions is {content.get('partitions')!r}: a number from 1"
    for name, entry in content.get("topics", {}).items():
        yield from keys(name, entry, ENTRY)
        yield from keys(f"{name} config", entry.get("config", {}), CONFIG, must=False)
        yield from entry_faults(name, entry, records, services)


def entry_faults(name: str, entry: Any, records: set[str], services: set[str]) -> Iterator[str]:
    """What is wrong with the values of one topic."""
    if entry.get("kind") not in KINDS:
        yield f"{name}: kind is {entry.get('kind')!r}, which is none of {', '.join(sorted(KINDS))}"
    if not entry.get("records"):
        yield f"{name} carries no records"
    for record in set(entry.get("records", ())) - records:
        yield f"{name}: {record} has no schema"
    for side in ("producers", "consumers"):
        for who in set(entry.get(side, ())) - services - OUTSIDE:
            yield f"{name}: {side} names {who!r}, which is no service; there are {', '.join(sorted(services))}"
    for value in entry.get("config", {}).values():
        if not isinstance(value, str):
            yield f"{name}: a setting is {value!r}; Kafka takes text: quote it"


def keys(where: str, content: Any, known: set[str], *, must: bool = True) -> Iterator[str]:
    """Keys that nobody reads, and such as are missing."""
    for key in sorted(set(content) - known):
        yield f"{where}: {key!r} is no key; there are {', '.join(sorted(known))}"
    for key in sorted(known - set(content)) if must else ():
        yield f"{where}: {key!r} is missing"
