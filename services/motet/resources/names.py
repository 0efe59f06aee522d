"""Names of resources, and which of them stand for everything below them.

A name has levels, divided by colons: `account:42`, `bank:account:42`. `account:*` is the whole of `account:`, and `*` everything in the
domain: a claim on a whole is a claim on each name below it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

WHOLE: Final = "*"
LEVEL: Final = ":"
# Beyond so many levels the rest of a name is one: a claim enters a count for each level above it.
DEEPEST: Final = 8


def is_whole(name: str) -> bool:
    """Whether a name stands for everything below it."""
    return name == WHOLE or name.endswith(":*")


def covers(whole: str, name: str) -> bool:
    """Whether a whole has a name below it."""
    return name.startswith(whole[:-1])


@lru_cache(maxsize=10_000)
def wholes_above(name: str) -> tuple[str, ...]:
    """The wholes that cover a name, the largest first, itself not among them."""
    if name == WHOLE:
        return ()
    levels = name.split(LEVEL, DEEPEST)[:-1]
    found = [LEVEL.join(levels[:count]) + ":*" for count in range(1, len(levels) + 1)]
    return (WHOLE, *(one for one in found if one != name))


@lru_cache(maxsize=10_000)
def bounded(name: str) -> str:
    """A whole of more levels than are told apart is the one above it that is; other names stay as they are."""
    if is_whole(name) and name.count(LEVEL) > DEEPEST:
        return LEVEL.join(name.split(LEVEL)[:DEEPEST]) + ":*"
    return name


def whole_before(text: str) -> str:
    """The smallest whole that covers every name that begins with a text: what is known of a name whose rest is not."""
    known, colon, _ = text.rpartition(LEVEL)
    return f"{known}:*" if colon else WHOLE
