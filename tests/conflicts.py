"""Which calls cannot run at once, in the plainest words."""

from __future__ import annotations

from motet.records import Claim


def conflict(ones: tuple[Claim, ...], others: tuple[Claim, ...]) -> bool:
    """Whether two calls cannot run at once."""
    return any(
        (covers(one.resource, other.resource) or covers(other.resource, one.resource))
        and ("WRITE" in (one.mode, other.mode) or (one.mode, one.operation) != (other.mode, other.operation))
        for one in ones
        for other in others
    )


def covers(name: str, other: str) -> bool:
    """Whether a name is another, or the whole of what begins as that does."""
    return name == other or (name.endswith("*") and other.startswith(name[:-1]))
