"""The work that is the same for all: a plan of calls, each of which writes one row under its key and returns that key.

The table has no unique key on purpose: a call whose effect happened twice leaves two rows, and is counted.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS work (key text NOT NULL, account text NOT NULL, place bigint NOT NULL);
CREATE INDEX IF NOT EXISTS work_key ON work (key text_pattern_ops);
CREATE TABLE IF NOT EXISTS account (name text PRIMARY KEY, entries bigint NOT NULL);
"""
# One statement each, so that a connection in autocommit makes it one transaction.
WRITE: Final = "INSERT INTO work VALUES (%(key)s, '', 0)"
# The account's row is locked until the transaction ends: `place` is the order in which its entries came.
ENTER: Final = """
WITH counted AS (
    INSERT INTO account VALUES (%(account)s, 1)
    ON CONFLICT (name) DO UPDATE SET entries = account.entries + 1 RETURNING entries
)
INSERT INTO work SELECT %(key)s, %(account)s, entries FROM counted
"""
ACCOUNTS: Final = 1_000
ZIPF_EXPONENT: Final = 1.1
WAIT_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call. Without an account its row is nobody else's; it waits so long before it writes."""

    key: str
    account: str = ""
    wait_seconds: float = 0.0

    @property
    def statement(self) -> str:
        """The SQL of its effect, with the parameters `key` and `account`."""
        return ENTER if self.account else WRITE

    @property
    def parameters(self) -> dict[str, str]:
        """Of its statement."""
        return {"key": self.key, "account": self.account} if self.account else {"key": self.key}

    def as_json(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `as_json` told."""
        return cls(value["key"], value["account"], value["wait_seconds"])


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls that are asked for at once. Its name is unique in all runs on one database, and begins every key."""

    name: str
    number: int
    calls: tuple[Call, ...]

    @property
    def expected(self) -> list[str]:
        """The results in call order."""
        return [call.key for call in self.calls]


AccountsName = Literal["own", "hot", "zipf"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What plans of a run are like, how many are in flight (0 is as many as make the peer fastest), and whether a worker is killed."""

    name: str
    title: str
    in_flight: int
    calls: int = 8
    accounts: AccountsName = "own"
    wait_seconds: float = 0.0
    killed: bool = False


SHAPES: Final = (
    Shape("single", "one plan of 8 at a time", 1),
    Shape("flight", "32 plans of 8 in flight", 32),
    Shape("saturated", "plans of 8, saturated", 0),
    Shape("killed", "32 plans of 8 in flight, a worker killed", 32, killed=True),
    Shape("one", "32 plans of 1 in flight", 32, calls=1),
    Shape("wide", "8 plans of 64 in flight", 8, calls=64),
    Shape("hot", "32 plans of 8 in flight, all on one account", 32, accounts="hot"),
    Shape("zipf", "32 plans of 8 in flight, on 1,000 accounts by Zipf's law", 32, accounts="zipf"),
    Shape("slow", "32 plans of 8 in flight, tools that wait 100 ms", 32, wait_seconds=WAIT_SECONDS),
)


def plans_of(shape: Shape, run: str, seed: int = 11) -> Iterator[Plan]:
    """Plans without end, the same ones for every peer."""
    chance = random.Random(seed)  # noqa: S311  a load, not a secret
    weights = list(itertools.accumulate(1 / rank**ZIPF_EXPONENT for rank in range(1, ACCOUNTS + 1)))
    for number in itertools.count():
        name = f"{run}-{number:06d}"
        names = accounts_of(shape, chance, weights)
        calls = (Call(f"{name}-{index:02d}", account, shape.wait_seconds) for index, account in enumerate(names))
        yield Plan(name, number, tuple(calls))


def accounts_of(shape: Shape, chance: random.Random, weights: list[float]) -> list[str]:
    """The accounts of one plan's calls, "" where a call needs none."""
    if shape.accounts == "own":
        return [""] * shape.calls
    if shape.accounts == "hot":
        return ["hot"] * shape.calls
    return [f"a{rank}" for rank in chance.choices(range(ACCOUNTS), cum_weights=weights, k=shape.calls)]
