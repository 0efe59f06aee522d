"""The tools of the simulated world: two toolsets, every effect class, accounts that are read, written and added to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from motet.plan import Contracts, Limits
from motet.records import ClaimMode, ClaimTemplate, Compensation, EffectClass, Meta, SlotTemplate, ToolContract

ACCOUNTS: Final = "abcdefgh"
TOOLSETS: Final = ("bank", "post")
# Of a plan's calls so many are in flight at once, and of the tenant's: few, so that slots are waited for.
LIMITS: Final = Limits(plan_calls_at_once=2, tenant_calls_at_once=6)
META: Final = Meta("e", "c", "", "", "", 0, 0, None)
SCHEMA: Final = (
    '{"type":"object","properties":{"key":{"type":"string"},"to":{"type":"string"},"n":{}},"required":["key"]}'
)
UNDO_ARGUMENTS: Final = '{"key":{"$argument":"key"},"n":{"$argument":"n"}}'
WRITES: Final = (("account:{key}", "WRITE"),)
ATTEMPTS: Final = 3
# How a tool behaves is in the call's number, so that it is the same in every run: fails for good; fails once, twice; nobody knows once,
# before and after it happened; what undoes it fails.
FAILS, FAILS_ONCE, FAILS_TWICE, UNCLEAR_BEFORE, UNCLEAR_AFTER, UNDOING_FAILS = 91, 92, 93, 94, 95, 96
ODD: Final = (FAILS, FAILS_ONCE, FAILS_TWICE, UNCLEAR_BEFORE, UNCLEAR_AFTER, UNDOING_FAILS)
UNDOING: Final = ("bank.undo", "post.refund", "post.unbook", "post.retract")


def tool(
    name: str,
    effect: EffectClass,
    claims: Sequence[tuple[str, ClaimMode] | tuple[str, ClaimMode, str]] = WRITES,
    undone_by: str | None = None,
    **more: Any,
) -> ToolContract:
    """A published contract. Waits between attempts are 1, 2, 4 … s at most, attempts take 10 s at most, a call 100 s."""
    undo = None if undone_by is None else Compensation(undone_by, None, UNDO_ARGUMENTS)
    fields: dict[str, Any] = {
        "timeout_seconds": 10.0,
        "attempts": ATTEMPTS,
        "backoff_seconds": 1.0,
        "deadline_seconds": 100.0,
        "compensation": undo,
    }
    templates = tuple(ClaimTemplate(*claim) for claim in claims)
    head = (META, name, 1, name.partition(".")[0], "", effect, SCHEMA, "{}", templates)
    return ToolContract(*head, sha256="sha", **{**fields, **more})


TOOLS: Final = (
    tool("bank.look", "PURE", [("account:{key}", "READ")]),
    tool("bank.put", "TRANSACTIONAL", undone_by="bank.undo"),
    tool("bank.draw", "TRANSACTIONAL", undone_by="bank.undo"),
    # Each of these two commutes with itself, and not with the other.
    tool("bank.add", "TRANSACTIONAL", [("account:{key}", "COMMUTE", "add")]),
    tool("bank.flip", "TRANSACTIONAL", [("account:{key}", "COMMUTE", "flip")]),
    # An account's name, from which follows what a later call uses.
    tool("bank.pick", "PURE", ()),
    # All accounts at once.
    tool("bank.audit", "PURE", [("account:*", "READ")]),
    tool("bank.sweep", "TRANSACTIONAL", [("account:*", "WRITE")]),
    tool("bank.move", "TRANSACTIONAL", [("account:{key}", "WRITE"), ("account:{to}", "WRITE")]),
    tool("bank.undo", "TRANSACTIONAL"),
    tool("post.pay", "IDEMPOTENT", undone_by="post.refund", at_once=3),
    tool("post.refund", "IDEMPOTENT"),
    tool("post.book", "RECONCILABLE", undone_by="post.unbook", at_once_per=(SlotTemplate("desk:{key}", 1),)),
    tool("post.unbook", "RECONCILABLE"),
    tool("post.mail", "IRREVERSIBLE", undone_by="post.retract"),
    tool("post.retract", "IRREVERSIBLE"),
    tool("post.send", "IRREVERSIBLE", ()),
    tool("post.ask", "IDEMPOTENT", undone_by="post.refund", approval=True, approval_seconds=50.0),
    tool("post.buy", "IDEMPOTENT", cost_micros=100_000, tokens=1_000),
    tool("post.call", "IDEMPOTENT", breaker_failures=2, breaker_reset_seconds=20.0),
    tool("post.note", "PURE", ()),
    # Under leases: of one scope, of two, and what undoes it under another one. Their time is soon over.
    tool("bank.safe", "TRANSACTIONAL", undone_by="bank.undo", leases=("near/safe",), lease_seconds=2.0),
    tool("post.print", "IDEMPOTENT", (), "post.shred", leases=("far/paper", "near/printer"), lease_seconds=3.0),
    tool("post.shred", "IDEMPOTENT", (), leases=("far/shredder",), lease_seconds=3.0),
)
EFFECTS: Final[dict[str, EffectClass]] = {one.name: one.effect for one in TOOLS}


def contracts() -> Contracts:
    """All of them, compiled."""
    out = Contracts()
    for one in TOOLS:
        out.add(one)
    return out


CONTRACTS: Final = contracts()


@lru_cache(maxsize=20_000)
def read(arguments: str) -> tuple[str, str, int]:
    """Account, other account and number of a call's arguments; what is no number counts by its text."""
    given = json.loads(arguments)
    n = given.get("n", 0)
    number = n if type(n) is int else 1 + sum(json.dumps(n).encode()) % 83
    return given["key"], given.get("to", given["key"]), number
