"""Tools for which time matters: waits, deadlines, heartbeats, approvals, windows."""

from __future__ import annotations

import threading

from motet import Context, Toolset
from motet.tools import TryAgain

tools = Toolset("clock", schema="CREATE TABLE IF NOT EXISTS entry (key text NOT NULL, text text NOT NULL)")
never = threading.Event()
LOOK_SECONDS = 0.05
BEATS = 120


@tools.tool(effect="transactional", writes="book:{book}")
def enter(context: Context, book: str, text: str) -> int:
    """Writes an entry; returns how many there are in the book."""
    context.connection.execute("INSERT INTO entry (key, text) VALUES (%s, %s)", (context.key, f"{book} {text}"))
    row = context.connection.execute("SELECT count(*) FROM entry WHERE text LIKE %s", (f"{book} %",)).fetchone()
    return 0 if row is None else int(row[0])


@tools.tool(effect="idempotent", attempts=3, backoff_seconds=0.3)
def flaky(context: Context) -> int:
    """Works at the third attempt."""
    if context.attempt < 3:
        raise TryAgain("not yet")
    return context.attempt


@tools.tool(effect="idempotent", deadline_seconds=5, timeout_seconds=60, attempts=1)
def patient(context: Context) -> str:
    """Waits until its time is over, which is long enough to have begun before."""
    while not context.cancelled:
        never.wait(LOOK_SECONDS)
    context.check()
    return "never"


@tools.tool(effect="idempotent", timeout_seconds=60, heartbeat_seconds=2)
def beats(context: Context) -> int:
    """Takes a while, and says so."""
    for _ in range(BEATS):
        context.heartbeat()
        never.wait(LOOK_SECONDS)
    return BEATS


@tools.tool(effect="pure", approval=True, approval_seconds=1)
def ask() -> str:
    """Nobody will say yes."""
    return "yes"
