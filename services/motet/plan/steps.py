"""What a decision says: the events of the decider, in the order in which they follow."""

from __future__ import annotations

from functools import partial
from typing import Any

from motet.plan.model import Plan, Reservation
from motet.records import CommittedCall, Invocation, StoppedCall
from motet.records.record import record


@record
class Started:
    """Attempts of calls begin."""

    plan: Plan
    invocations: tuple[Invocation, ...]


@record
class Undoing:
    """An attempt of a compensation begins; `index` is the call that it undoes."""

    plan: Plan
    index: int
    arguments_sha256: str
    invocation: Invocation


@record
class Stopped:
    """Calls that run are told that nobody wants them any more, each by its toolset."""

    plan: Plan
    calls: tuple[tuple[str, StoppedCall], ...]
    reason: str


@record
class Committed:
    """Calls of a plan took their place in its history."""

    plan: Plan
    calls: tuple[CommittedCall, ...]


@record
class Ended:
    """A plan ended."""

    plan: Plan


@record
class Fact:
    """An event that needs nothing but its meta."""

    plan: Plan
    record: partial[Any]


@record
class Word:
    """A record to another service, about a plan of which both know. It needs nothing but its meta.

    It goes where the plan's domain is, or to a scope of leases.
    """

    plan: Plan | Reservation
    record: partial[Any]
    scope: str | None = None


Step = Started | Undoing | Stopped | Committed | Ended | Fact | Word
