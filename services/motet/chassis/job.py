"""Work that one process of a service does at a time, now and then: what a service declares, and what its work is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, slots=True)
class Lead:
    """One act of a leader: the transaction that it is done in, its token, and the log's time in milliseconds since 1970."""

    connection: psycopg.Connection[Any]
    token: int
    now: int


@dataclass(frozen=True, slots=True)
class Job:
    """A singleton job. Its work must be done in the transaction that it is given, or carry the token along."""

    name: str
    every_seconds: float
    work: Callable[[Lead], None]
