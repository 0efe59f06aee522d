"""Tools for tests of the tool host: each of a kind, most of them before an outside witness, named by WITNESS_URL."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from motet import Context, Toolset
from motet.tools import DidNotHappen, Happened
from motet.tools.http import Http

tools = Toolset("host", schema="CREATE TABLE IF NOT EXISTS entry (key text NOT NULL, text text NOT NULL)")
http = Http(os.environ.get("WITNESS_URL", "http://127.0.0.1:9"))
never = threading.Event()
LOOK_SECONDS = 0.05


@tools.tool(effect="pure")
def echo(text: str) -> str:
    """Returns what it is given."""
    return text


@tools.tool(effect="idempotent", timeout_seconds=4, attempts=2, backoff_seconds=0.1)
def charge(context: Context, query: str = "", note: str = "") -> int:
    """Charges at the witness, which honours keys."""
    return http.post(context, f"/charge{query}", json={"note": note}).status


@tools.tool(effect="idempotent", timeout_seconds=4, window_seconds=1)
def brief(context: Context, note: str = "") -> int:
    """As charge, and its result is soon forgotten."""
    return http.post(context, "/charge", json={"note": note}).status


@tools.tool(effect="transactional")
def enter(context: Context, text: str) -> int:
    """Writes an entry."""
    context.connection.execute("INSERT INTO entry (key, text) VALUES (%s, %s)", (context.key, text))
    return 1


@tools.tool(effect="idempotent", timeout_seconds=60, heartbeat_seconds=2, attempts=2, backoff_seconds=0.1)
def work(context: Context, until: str) -> int:
    """Charges, and says that it is alive until a file is there or nobody wants it any more."""
    status = http.post(context, "/charge", json={}).status
    step = 0
    while not Path(until).exists() and not context.cancelled:
        step += 1
        context.heartbeat({"step": step})
        never.wait(LOOK_SECONDS)
    return status


def asked(context: Context, query: str = "") -> Happened | DidNotHappen:
    """Whether the witness has the key's effect."""
    del query
    found = http.get(context, f"/lookup/{context.key}").body
    return Happened(200) if found["applied"] else DidNotHappen()


@tools.tool(effect="reconcilable", timeout_seconds=4, reconcile=asked)
def pay(context: Context, query: str = "") -> int:
    """Pays at the witness, which can be asked about it."""
    return http.post(context, f"/nokey{query}", json={}).status


@tools.tool(effect="irreversible", timeout_seconds=4)
def mail(context: Context, query: str = "") -> int:
    """Sends a letter, which nobody can ask about."""
    return http.post(context, f"/nokey{query}", json={}).status


@tools.tool(effect="idempotent", timeout_seconds=60)
def patient(context: Context, word: str) -> str:
    """Waits until nobody wants it any more; then returns, or asks to end as if it had not begun."""
    while not context.cancelled:
        never.wait(LOOK_SECONDS)
    if word == "check":
        context.check()
    return "ended early"


@tools.tool(effect="pure", timeout_seconds=0.5, attempts=1)
def hang(until: str) -> str:
    """Does not look at its time: hangs until a file is there."""
    while not Path(until).exists():
        never.wait(LOOK_SECONDS)
    return "came back"


@tools.tool(effect="transactional", timeout_seconds=0.5, attempts=1)
def stubborn(context: Context, text: str) -> int:
    """Writes an entry, takes too long, and swallows what ends it."""
    context.connection.execute("INSERT INTO entry (key, text) VALUES (%s, %s)", (context.key, text))
    try:
        context.connection.execute("SELECT pg_sleep(30)")
    except KeyboardInterrupt:
        return 0
    return 1
