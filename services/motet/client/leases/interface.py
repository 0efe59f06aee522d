"""Leases as a program asks for them, whoever gives them out: Motet, etcd or Redis (docs/leases.md says what each can promise).

LeaseError
├── NotGranted      somebody else has it: ask again, or wait longer
├── LeaseLost       the lease is over, or was never this one: stop, and ask for a new one
└── BadRequest      the request is beyond a limit, or its names are wrong: correct it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Protocol

from motet.chassis.errors import MotetError


class LeaseError(MotetError):
    """Something about a lease."""


class NotGranted(LeaseError):
    """Somebody else has a resource, and had it for as long as the request might wait."""


class LeaseLost(LeaseError):
    """A lease is over, or the token is not its own."""


class BadRequest(LeaseError):
    """A request that nobody would grant."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Some resources for one holder.

    `token` is above every token that anybody had for any of the resources before; give it along with what you write (`motet.leases.fence`).
    `expires_at` is in seconds since 1970, by the clock of whoever granted it: a holder that works by it may be wrong, and the token tells.
    """

    lease_id: str
    resources: tuple[str, ...]
    holder: str
    token: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Holding:
    """Who holds one resource."""

    resource: str
    holder: str
    token: int
    expires_at: float


class Leases(Protocol):
    """Leases of one scope, asked for by one holder."""

    def acquire(self, resources: Sequence[str], *, duration_seconds: float, wait_seconds: float = 0.0) -> Lease:
        """All resources or none, once nobody who asked before holds one or waits for one. Raises NotGranted, BadRequest."""

    def renew(self, lease: Lease, duration_seconds: float) -> Lease:
        """The lease, held from now on for so long; its token stays. Raises LeaseLost, BadRequest."""

    def release(self, lease: Lease) -> None:
        """Gives a lease back. Raises LeaseLost."""

    def holder(self, resource: str) -> Holding | None:
        """Who holds a resource, if anybody does."""


@contextmanager
def held(
    leases: Leases, resources: Sequence[str], *, duration_seconds: float, wait_seconds: float = 0.0
) -> Iterator[Lease]:
    """A lease for a block. A lease that ran out inside was somebody else's since: the block ends with LeaseLost then."""
    lease = leases.acquire(resources, duration_seconds=duration_seconds, wait_seconds=wait_seconds)
    done = False
    try:
        yield lease
        done = True
    finally:
        # Where the block failed, its own error is the one to tell.
        with nullcontext() if done else suppress(LeaseLost):
            leases.release(lease)
