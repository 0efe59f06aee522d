"""Versions of what a toolset's transactional tools write: optimistic concurrency, in the same transaction as the effect.

A resource's version is how often it was written under one: 0 before the first time. Every tool that writes the resource says so,
`context.expect("page:7", version)`; it gets the new version, or `VersionConflict`, and then the call has done nothing. A call of a plan may
carry what it expects as well (`Call(expected={"page:7": 3})`): that is looked at before the tool runs, with or without the tool's help.

The row of a version is locked from then on until the transaction ends, so that two writers take turns and the later one sees a conflict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import psycopg

from motet.records import VersionMismatch
from motet.tools.failure import ToolFailed

VERSION_CONFLICT: Final = "VERSION_CONFLICT"
NOBODY: Final = (0, "", -1, "", None)
FOUND: Final = (
    "SELECT version, plan_id, index, key, written_at FROM resource_version WHERE tenant = %s AND resource = %s"
)
# A first version, whoever comes first; the next one, whatever was there; and the next one of exactly one version.
FIRST: Final = (
    "INSERT INTO resource_version (tenant, resource, version, plan_id, index, key, written_at) VALUES (%s, %s, 1, %s, %s, %s, %s) "
    "ON CONFLICT DO NOTHING RETURNING version"
)
NEXT: Final = (
    "INSERT INTO resource_version AS v (tenant, resource, version, plan_id, index, key, written_at) VALUES (%s, %s, 1, %s, %s, %s, %s) "
    "ON CONFLICT (tenant, resource) DO UPDATE SET version = v.version + 1, plan_id = excluded.plan_id, index = excluded.index, "
    "key = excluded.key, written_at = excluded.written_at RETURNING version"
)
NEXT_OF: Final = (
    "UPDATE resource_version SET version = version + 1, plan_id = %s, index = %s, key = %s, written_at = %s "
    "WHERE tenant = %s AND resource = %s AND version = %s RETURNING version"
)


class VersionConflict(ToolFailed):
    """A resource has another version than was expected, and the call did nothing. `mismatch` names both sides."""

    def __init__(self, mismatch: VersionMismatch) -> None:
        writer = f", written by call {mismatch.found_index} of plan {mismatch.found_plan_id}" if mismatch.found else ""
        super().__init__(
            f"{mismatch.resource} has version {mismatch.found}{writer}, and the call expects version {mismatch.expected}",
            VERSION_CONFLICT,
        )
        self.mismatch = mismatch


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: a call, and when Kafka had it, in milliseconds since 1970."""

    tenant: str
    plan_id: str
    index: int
    key: str
    at: int


class Kept(Protocol):
    """Where versions are kept."""

    def write(self, resource: str, expected: int | None, writer: Writer) -> int | None:
        """Counts a version up, from the one that is expected if there is one; None if another one is there."""

    def find(self, resource: str, tenant: str) -> tuple[int, str, int, str, int | None]:
        """The version that is there, and who wrote it: plan, call, key and time."""


class InRows:
    """Versions in the host's table, in whatever transaction is open."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def write(self, resource: str, expected: int | None, writer: Writer) -> int | None:
        """One statement: another transaction that writes the same is waited for, and what it wrote is seen."""
        place, who = (writer.tenant, resource), (writer.plan_id, writer.index, writer.key, writer.at)
        if expected:
            row = self.connection.execute(NEXT_OF, (*who, *place, expected)).fetchone()
        else:
            row = self.connection.execute((FIRST if expected == 0 else NEXT), (*place, *who)).fetchone()
        return None if row is None else int(row[0])

    def find(self, resource: str, tenant: str) -> tuple[int, str, int, str, int | None]:
        """The row."""
        row = self.connection.execute(FOUND, (tenant, resource)).fetchone()
        return NOBODY if row is None else (row[0], row[1], row[2], row[3], row[4])


@dataclass(slots=True)
class InMemory:
    """Versions for tests of tools."""

    rows: dict[tuple[str, str], tuple[int, str, int, str, int | None]] = field(default_factory=dict)

    def write(self, resource: str, expected: int | None, writer: Writer) -> int | None:
        """As the table does it."""
        version = self.find(resource, writer.tenant)[0]
        if expected is not None and version != expected:
            return None
        self.rows[writer.tenant, resource] = (version + 1, writer.plan_id, writer.index, writer.key, writer.at)
        return version + 1

    def find(self, resource: str, tenant: str) -> tuple[int, str, int, str, int | None]:
        """As the table does it."""
        return self.rows.get((tenant, resource), NOBODY)


class Versions:
    """The versions as one call sees and writes them. `carried` are those that the call itself expects."""

    def __init__(self, kept: Kept, writer: Writer, carried: Mapping[str, int] | None = None) -> None:
        self.kept = kept
        self.writer = writer
        self.carried = {} if carried is None else carried
        self.written: dict[str, int] = {}

    def check_carried(self) -> None:
        """Writes what the call carries. Raises VersionConflict."""
        for resource in sorted(self.carried):
            self.expect(resource)

    def expect(self, resource: str, version: int | None = None) -> int:
        """Counts a resource's version up, once a call, and returns the new one. Raises VersionConflict.

        What the call carries counts before what the tool says: after a conflict it is what was found.
        """
        expected = self.carried.get(resource, version)
        if resource not in self.written:
            now = self.kept.write(resource, expected, self.writer)
            if now is None:
                found, plan_id, index, key, at = self.kept.find(resource, self.writer.tenant)
                raise VersionConflict(VersionMismatch(resource, expected or 0, found, plan_id, index, key, at))
            self.written[resource] = now
        return self.written[resource]

    def read(self, resource: str) -> int:
        """The version that is there now."""
        return self.kept.find(resource, self.writer.tenant)[0]
