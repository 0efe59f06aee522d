"""Tenants stay apart: what is about a plan is its tenant's, stands under its key, in its partition."""

from __future__ import annotations

from typing import Final

from motet.audit.rule import Found, Rule
from motet.audit.stored import Stored
from motet.chassis.identity import partition_of

# Keys that are remembered.
KEYS: Final = 50_000


class Tenants(Rule):
    """A record's key is its own tenant and domain, stands in that key's partition, and a plan's records are all of one tenant."""

    name = "tenants"
    advice = "one tenant's record stands where another tenant's belong: find out who wrote it before anybody reads it"

    def __init__(self, found: Found, partitions: int) -> None:
        super().__init__(found)
        self.partitions = partitions
        self.keys: dict[tuple[str, str], bytes] = {}

    def take(self, record: Stored) -> None:
        """A record of a topic that is keyed by domains, from a service."""
        self.checked += 1
        meta = record.meta
        owner = (meta["tenant"], meta["domain"])
        key = self.keys.get(owner)
        if key is None:
            if len(self.keys) > KEYS:
                self.keys.clear()
            key = self.keys[owner] = f"{owner[0]}/{owner[1]}".encode()
        if record.key != key:
            self.wrong(
                record, f"{record.name} is of {key.decode()!r}, and its key is {record.key.decode(errors='replace')!r}"
            )
        elif partition_of(key, self.partitions) != record.partition:
            at = f"partition {record.partition}, and its key {key.decode()!r} belongs to {partition_of(key, self.partitions)}"
            self.wrong(record, f"{record.name} stands in {at}")
        course = record.course
        if course is not None and course.owner != owner:
            whose = f"plan {course.plan_id} is of {course.owner[0]}/{course.owner[1]}"
            self.wrong(record, f"{record.name} is of {owner[0]}/{owner[1]}, and {whose}")
