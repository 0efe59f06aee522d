"""Tools to be proved: honest ones, one that says that it honours its key and does not, and some that nobody can judge."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from motet import Context, ToolFailed, Toolset
from motet.testing import Proof
from motet.tools import DidNotHappen, Happened

tools = Toolset("proved", schema="CREATE TABLE IF NOT EXISTS entry (key text NOT NULL, amount integer NOT NULL)")


def world() -> Path:
    """The world outside: a line an effect."""
    return Path(os.environ["PROVED_WORLD"])


def lines() -> list[dict[str, Any]]:
    """Everything that happened."""
    return [json.loads(line) for line in world().read_text().splitlines()] if world().exists() else []


def act(context: Context, what: str) -> str:
    """Something happens."""
    with world().open("a") as file:
        file.write(json.dumps({"key": context.key, "what": what}) + "\n")
    return what


def seen(arguments: Mapping[str, Any]) -> int:
    """How often it happened."""
    return sum(line["what"] == arguments["what"] for line in lines())


@tools.tool(effect="transactional")
def enter(context: Context, amount: int) -> int:
    """Writes an entry."""
    context.connection.execute("INSERT INTO entry (key, amount) VALUES (%s, %s)", (context.key, amount))
    return amount


@tools.tool(effect="idempotent")
def pay(context: Context, what: str) -> str:
    """Pays once a key."""
    return what if any(line["key"] == context.key for line in lines()) else act(context, what)


@tools.tool(effect="idempotent")
def careless(context: Context, what: str) -> str:
    """Pays whenever it is asked."""
    return act(context, what)


@tools.tool(effect="irreversible")
def mail(context: Context, what: str) -> str:
    """Sends a letter."""
    return act(context, what)


def asked(context: Context, what: str) -> Happened | DidNotHappen:
    """Whether it was wired."""
    return Happened(what) if any(line["key"] == context.key for line in lines()) else DidNotHappen()


@tools.tool(effect="reconcilable", reconcile=asked, timeout_seconds=2)
def wire(context: Context, what: str) -> str:
    """Wires."""
    return act(context, what)


@tools.tool(effect="pure")
def look(what: str) -> int:
    """Leaves nothing behind."""
    return len(what)


@tools.tool(effect="idempotent")
def refuse(what: str) -> str:
    """Fails."""
    raise ToolFailed(f"no {what}", code="NO")


@tools.tool(effect="idempotent", approval=True)
def gift(what: str) -> str:
    """Needs a person."""
    return what


@tools.tool(effect="idempotent")
def forgotten(what: str) -> str:
    """Has no proof."""
    return what


def numbered(name: str) -> Callable[[int], Mapping[str, Any]]:
    """Other arguments each time."""
    return lambda run: {"what": f"{name} {run}"}


proofs = [
    Proof("proved.enter", {"amount": 5}),
    *(Proof(f"proved.{name}", numbered(name), seen) for name in ("pay", "careless", "mail", "wire")),
    Proof("proved.look", {"what": "x"}),
    Proof("proved.refuse", {"what": "x"}, seen),
    Proof("proved.gift", {"what": "x"}, seen),
]
