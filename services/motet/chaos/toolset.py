"""Tools of every effect class, before the witness and on a ledger of their own. WITNESS_URL names the witness."""

from __future__ import annotations

import os
from typing import Any, Final

from motet.tools import Compensation, Context, DidNotHappen, Happened, ToolFailed, Toolset, argument
from motet.tools.http import Http

# No key is unique here: were an effect applied twice, the ledger would say so.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS ledger (
    key text NOT NULL,
    tenant text NOT NULL,
    plan_id text NOT NULL,
    account text NOT NULL,
    amount bigint NOT NULL
)
"""
ENTRY: Final = "INSERT INTO ledger (key, tenant, plan_id, account, amount) VALUES (%s, %s, %s, %s, %s)"

tools = Toolset("chaos", schema=SCHEMA)
http = Http(os.environ.get("WITNESS_URL", "http://127.0.0.1:9"))


def enter(context: Context, account: str, amount: int) -> int:
    """Writes a row."""
    context.connection.execute(ENTRY, (context.key, context.tenant, context.plan_id, account, amount))
    return amount


@tools.tool(
    effect="transactional",
    writes="account:{account}",
    compensation=Compensation("withdraw", account=argument("account"), amount=argument("amount")),
)
def deposit(context: Context, account: str, amount: int, note: str = "") -> int:
    """Adds to an account."""
    del note
    return enter(context, account, amount)


@tools.tool(effect="transactional", writes="account:{account}")
def withdraw(context: Context, account: str, amount: int) -> int:
    """Undoes a deposit."""
    return enter(context, account, -amount)


@tools.tool(effect="transactional")
def note(context: Context, account: str, amount: int, note: str = "") -> int:
    """Adds a row that conflicts with nothing."""
    del note
    return enter(context, account, amount)


@tools.tool(
    effect="idempotent",
    timeout_seconds=3,
    attempts=20,
    backoff_seconds=0.1,
    backoff_limit_seconds=1,
    compensation=Compensation("refund"),
)
def charge(context: Context, note: str = "") -> int:
    """Charges at the witness, which honours keys."""
    return http.post(context, "/charge", json={"note": note}).status


@tools.tool(effect="idempotent", timeout_seconds=3, attempts=20, backoff_seconds=0.1, backoff_limit_seconds=1)
def refund(context: Context) -> int:
    """Undoes a charge."""
    return http.post(context, "/refund", json={}).status


def asked(context: Context, note: str = "") -> Happened | DidNotHappen:
    """Whether the witness has the key's effect."""
    del note
    found: Any = http.get(context, f"/lookup/{context.key}").body
    return Happened("found") if found["applied"] else DidNotHappen()


@tools.tool(effect="reconcilable", timeout_seconds=10, reconcile=asked)
def pay(context: Context, note: str = "") -> str:
    """Pays at the witness, which honours no key there and can be asked."""
    http.post(context, "/nokey", json={"note": note})
    return "paid"


@tools.tool(effect="irreversible", timeout_seconds=10)
def mail(context: Context, note: str = "") -> str:
    """Sends a letter, which nobody can ask about or call back."""
    http.post(context, "/nokey", json={"note": note})
    return "sent"


@tools.tool(effect="pure")
def refuse(context: Context) -> str:
    """Fails for good, so that what succeeded beside it is undone."""
    del context
    raise ToolFailed("it was asked to fail", code="ASKED")
