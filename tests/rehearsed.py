"""A small toolset with a world behind it, one tool of each effect class, for rehearsals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, cast

import psycopg

import ends
from motet import Context, Personal, Policy, ToolFailed, Toolset
from motet.testing.faults import What
from motet.tools import Compensation, DidNotHappen, Happened, Held, argument

CLASSES: Final = {
    ends.PURE: "look",
    ends.TRANSACTIONAL: "enter",
    ends.IDEMPOTENT: "pay",
    ends.RECONCILABLE: "wire",
    ends.IRREVERSIBLE: "mail",
}
# What the table's words are in a rehearsal.
SAME: Final[dict[str, tuple[What, ...]]] = {
    ends.BEFORE: ("twice",),
    ends.AFTER: ("crash_before",),
    ends.DURING: ("crash_after",),
    ends.DONE: ("crash_after",),
    ends.ANSWERED: ("twice",),
    ends.SLOW: ("times_out",),
    ends.TOO_LATE: ("times_out",),
    ends.DROPPED: ("lost_answer",),
    ends.TWICE_503: ("fails",),
    ends.AGAIN: ("fails",),
}
POLICIES: Final = {
    ends.COLLECT: Policy(),
    ends.END: Policy(in_doubt="end"),
    ends.HOLD: Policy(),
    ends.COMPENSATE: Policy(on_failure="compensate"),
    ends.UNDO_OR_END: Policy(on_failure="compensate", in_doubt="end"),
}
ROWS: Final = [(row, what) for row in ends.ROWS if row.policy in POLICIES for what in SAME.get(row.fault, ())]

tools = Toolset("stage")


class Ledger:
    """Stands for a PostgreSQL connection: what is written in a transaction, or in a savepoint, is taken back when that fails."""

    closed = False

    def __init__(self) -> None:
        self.rows: list[str] = []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction, or a savepoint."""
        before = [*self.rows]
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                self.rows = before

    def execute(self, row: str) -> None:
        """Writes a row."""
        self.rows.append(row)

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """As a rehearsal takes it."""
        return cast("psycopg.Connection[Any]", self)


@dataclass
class World:
    """What tools did. Accounts are written by whoever comes; effects are counted by key."""

    accounts: dict[str, int] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)


WORLD: Final = World()


def begin() -> World:
    """A world in which nothing happened yet."""
    WORLD.accounts.clear()
    WORLD.moved.clear()
    WORLD.effects.clear()
    return WORLD


def move(context: Context, account: str, amount: int) -> int:
    """Changes an account, once a key, so that the order of changes can be seen."""
    if amount == 0:
        raise ToolFailed("nothing is no amount", code="NO_AMOUNT")
    if context.key not in WORLD.moved:
        WORLD.accounts[account] = WORLD.accounts.get(account, 0) * 3 + amount
        WORLD.moved[context.key] = WORLD.accounts[account]
    return WORLD.moved[context.key]


@tools.tool(effect="pure", compensation=Compensation("look", account=argument("account")))
def look(account: str) -> int:
    """Says how long a name is."""
    return len(account)


@tools.tool(effect="transactional")
def strike(context: Context, account: str) -> int:
    """Writes a row that says that another one does not count."""
    cast("Ledger", context.connection).execute(f"not {account}")
    return 1


@tools.tool(effect="transactional", compensation=Compensation("strike", account=argument("account")))
def enter(context: Context, account: str) -> int:
    """Writes a row."""
    cast("Ledger", context.connection).execute(account)
    return 1


@tools.tool(effect="idempotent")
def refund(context: Context, account: str) -> str:
    """Undoes what any of the others did; the world honours keys."""
    WORLD.effects[context.key] = 1
    return account


UNDONE: Final = Compensation("refund", account=argument("account"))


@tools.tool(effect="idempotent", compensation=UNDONE)
def pay(context: Context, account: str) -> str:
    """Pays; the world honours keys."""
    WORLD.effects[context.key] = 1
    return account


def asked(context: Context, account: str) -> Happened | DidNotHappen:
    """Whether the world has the key's effect."""
    return Happened(account) if WORLD.effects[context.key] else DidNotHappen()


@tools.tool(effect="reconcilable", reconcile=asked, compensation=UNDONE)
def wire(context: Context, account: str) -> str:
    """Wires; the world can be asked."""
    WORLD.effects[context.key] += 1
    return account


@tools.tool(effect="irreversible", compensation=UNDONE)
def mail(context: Context, account: str) -> str:
    """Sends a letter; nobody can be asked."""
    WORLD.effects[context.key] += 1
    return account


@tools.tool(effect="idempotent")
def careless(context: Context, account: str) -> str:
    """Says that it honours its key, and does not."""
    WORLD.effects[context.key] += 1
    return account


@tools.tool(effect="pure")
def refuse() -> None:
    """Fails."""
    raise ToolFailed("no", code="NO")


@tools.tool(effect="transactional", writes="page:{page}")
def edit(context: Context, page: str) -> int:
    """Writes a page under a version."""
    return context.expect(f"page:{page}")


@tools.tool(effect="idempotent")
def greet(
    person: str, name: Annotated[str, Personal("person:{person}")]
) -> Annotated[str, Personal("person:{person}")]:
    """Greets somebody whose name is nobody else's business."""
    del person
    return f"Hello {name}"


@tools.tool(effect="idempotent")
def guard(resource: Held) -> int:
    """Acts under a lease."""
    return resource.token


@tools.tool(effect="idempotent", approval=True)
def gift(account: str) -> str:
    """Needs a person."""
    return account


@tools.tool(effect="pure")
async def later(account: str) -> str:
    """Is async."""
    return account


@tools.tool(effect="idempotent", writes="account:{account}")
def put(context: Context, account: str, amount: int) -> int:
    """Writes an account, and says so."""
    return move(context, account, amount)


@tools.tool(effect="idempotent", writes=("account:{account}", "account:{target}"))
def copy(context: Context, account: str, target: str) -> int:
    """Writes one account by another."""
    return move(context, target, WORLD.accounts.get(account, 1) or 1)


@tools.tool(effect="pure", reads="account:{account}")
def read(account: str) -> int:
    """Reads an account."""
    return WORLD.accounts.get(account, 0)


@tools.tool(effect="idempotent")
def sneak(context: Context, account: str, amount: int) -> int:
    """Writes an account, and hides that."""
    return move(context, account, amount)
