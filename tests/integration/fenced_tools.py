"""Tools that act under a lease: one in the hop's transaction, one outside of it."""

from __future__ import annotations

from motet import Context, Toolset
from motet.tools import Held

tools = Toolset(
    "fenced",
    schema="CREATE TABLE IF NOT EXISTS entry (account text, amount integer, token bigint); "
    "CREATE TABLE IF NOT EXISTS told (account text, token bigint)",
)


@tools.tool(effect="transactional", writes="account:{account}")
def deposit(context: Context, account: str, amount: int, lease: Held) -> int:
    """Writes an entry, in the transaction in which the token was checked."""
    context.connection.execute("INSERT INTO entry VALUES (%s, %s, %s)", (account, amount, lease.token))
    return lease.token


@tools.tool(effect="idempotent", writes="account:{account}")
def tell(account: str, lease: Held | None = None) -> str:
    """Tells somebody else; with a lease or without."""
    return f"{account} {lease.token if lease else 0}"
