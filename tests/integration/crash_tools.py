"""Tools whose effects can be counted from outside: one in the hop's transaction, one outside of it, one that kills its process."""

from __future__ import annotations

import os
import signal

import psycopg

from motet import Context, Toolset

# The outside world of the idempotent tool: a table that no hop's transaction covers. It honours keys, and counts every knock.
OUTSIDE = """
CREATE TABLE IF NOT EXISTS public.outside (key text PRIMARY KEY, tenant text NOT NULL, knocks integer NOT NULL)
"""
tools = Toolset(
    "crash",
    schema=f"""
    CREATE TABLE IF NOT EXISTS entry (key text NOT NULL, tenant text NOT NULL, account text NOT NULL, balance bigint NOT NULL);
    {OUTSIDE}
    """,
)


@tools.tool(effect="transactional", writes=("account:{account}",))
def deposit(context: Context, account: str, amount: int) -> int:
    """Adds to an account and returns its balance. An effect that happened twice is an entry too many."""
    row = context.connection.execute(
        "SELECT balance FROM entry WHERE tenant = %s AND account = %s ORDER BY balance DESC LIMIT 1",
        (context.tenant, account),
    ).fetchone()
    balance = (row[0] if row else 0) + amount
    context.connection.execute(
        "INSERT INTO entry (key, tenant, account, balance) VALUES (%s, %s, %s, %s)",
        (context.key, context.tenant, account, balance),
    )
    return int(balance)


@tools.tool(effect="idempotent")
def send(context: Context, text: str) -> str:
    """Sends a letter into the world outside, with the call's key."""
    with psycopg.connect(os.environ["MOTET_POSTGRES_URL"]) as connection:
        connection.execute(
            "INSERT INTO public.outside VALUES (%s, %s, 1) ON CONFLICT (key) DO UPDATE SET knocks = outside.knocks + 1",
            (context.key, context.tenant),
        )
    return f"sent {text}"


@tools.tool(effect="transactional", writes=("account:{account}",))
def fail(context: Context, account: str) -> int:
    """Writes, and then fails: what it wrote must be gone."""
    deposit(context, account, 1_000_000)
    raise ValueError(f"no, not {account}")


@tools.tool(effect="transactional")
def die() -> None:
    """Takes its process with it, every time."""
    os.kill(os.getpid(), signal.SIGKILL)


@tools.tool(effect="pure")
def big(size: int) -> str:
    """Returns a text of so many characters."""
    return "x" * size
