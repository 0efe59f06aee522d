"""Motet's tools of the comparison. Rows of plans that share nothing are transactional; what waits must not wait in the hop's transaction."""

from __future__ import annotations

# mypy: disable-error-code="import-not-found"
# (The pool is installed under build/peers alone.)
import os
import threading
from functools import cache

from psycopg_pool import ConnectionPool

from benchmarks.peers.work import SCHEMA, Call
from motet.tools import Context, DidNotHappen, Happened, Toolset

tools = Toolset("peers", schema=SCHEMA)
OWN_SCHEMA = "tools_peers"


def execute(context: Context, call: Call) -> str:
    """One row, in the hop's own transaction; its key."""
    context.connection.execute(call.statement.encode(), call.parameters)
    return call.key


@tools.tool(effect="transactional", writes="row:{key}")
def write(context: Context, key: str) -> str:
    """Writes a row of its own."""
    return execute(context, Call(key))


@tools.tool(effect="transactional", writes="account:{account}")
def enter(context: Context, key: str, account: str) -> str:
    """Writes an entry on an account."""
    return execute(context, Call(key, account))


def was_written(context: Context, key: str, wait_seconds: float) -> Happened | DidNotHappen:  # noqa: ARG001  it takes what the tool takes
    """Looks for the row of a call of which nobody knows how it ended."""
    with connections().connection() as connection:
        found = connection.execute("SELECT FROM work WHERE key = %s", (key,)).fetchone()
    return DidNotHappen() if found is None else Happened(key)


@tools.tool(effect="reconcilable", reconcile=was_written, writes="row:{key}")
def write_slowly(context: Context, key: str, wait_seconds: float) -> str:  # noqa: ARG001  a reconcilable tool is given one
    """Waits, and writes a row of its own on a connection of its own."""
    threading.Event().wait(wait_seconds)
    call = Call(key, "", wait_seconds)
    with connections().connection() as connection:
        connection.execute(call.statement.encode(), call.parameters)
    return call.key


@cache
def connections() -> ConnectionPool:
    """The service's own connections, for tools that do not write in the hop's transaction."""
    options = {"autocommit": True, "options": f"-c search_path={OWN_SCHEMA}"}
    return ConnectionPool(
        os.environ["MOTET_POSTGRES_URL"], min_size=16, max_size=16, kwargs=options, open=True, timeout=600.0
    )
