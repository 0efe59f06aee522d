"""How long things may take, pure: a call from its contract, the wait before an attempt.

Waits grow exponentially ("Exponential backoff and jitter", AWS 2015, equal jitter): the n-th is `backoff * 2^(n-1)`, at most its limit, and of
that between a half and all, by a number that is drawn from the call's key and the attempt: a replay draws the same one.
"""

from __future__ import annotations

import hashlib
from typing import Final

from motet.records import ToolContract

# An answer may take so long beyond all attempts and waits before the call is given up.
SLACK_SECONDS: Final = 60.0
MILLISECONDS: Final = 1_000
DAY_SECONDS: Final = 86_400.0


def deadline_ms(contract: ToolContract) -> int:
    """How long a call may take from its first start, all attempts together."""
    if contract.deadline_seconds is not None:
        return int(contract.deadline_seconds * MILLISECONDS)
    waits = sum(wait_ceiling(contract, number) for number in range(1, contract.attempts))
    return int((contract.attempts * contract.timeout_seconds + waits + SLACK_SECONDS) * MILLISECONDS)


def wait_ceiling(contract: ToolContract, number: int) -> float:
    """The longest wait after the n-th attempt, in seconds."""
    # Beyond 2^60 every limit is reached; a float would overflow at 2^1024.
    return min(contract.backoff_limit_seconds, contract.backoff_seconds * float(2 ** min(number - 1, 60)))


def wait_ms(contract: ToolContract, key: str, number: int) -> int:
    """The wait after the n-th attempt of a call."""
    drawn = int.from_bytes(hashlib.sha256(f"{key}/{number}".encode()).digest()[:8], "big") / 2**64
    return int(wait_ceiling(contract, number) * MILLISECONDS * (1 + drawn) / 2)
