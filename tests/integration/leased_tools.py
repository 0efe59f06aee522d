"""Tools whose calls run under leases: one that tells an outside witness when it begins and ends, one in the hop's transaction."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any

from motet import Context, Toolset

tools = Toolset("press", schema="CREATE TABLE IF NOT EXISTS line (plan_id text, token bigint)")


def tell(url: str, context: Context, path: str, lease: str) -> None:
    """Tells the witness, which writes down in what order it hears."""
    said = json.dumps([lease, context.plan_id, context.leases[lease]]).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/{path}", said), timeout=10) as answer:  # noqa: S310
        answer.read()


@tools.tool(effect="idempotent", leases="shared/printer:{name}", lease_seconds=60, timeout_seconds=20)
def print_page(context: Context, name: str, url: str) -> str:
    """Uses a printer from its first word to its last."""
    lease = f"shared/printer:{name}"
    tell(url, context, "nokey/in?delay=0.02", lease)
    tell(url, context, "nokey/out", lease)
    return name


@tools.tool(effect="transactional", leases="shared/ledger", lease_seconds=1.5)
def enter(context: Context) -> dict[str, Any]:
    """Writes a line, in the transaction in which the token was checked."""
    context.connection.execute("INSERT INTO line VALUES (%s, %s)", (context.plan_id, context.leases["shared/ledger"]))
    return {}


@tools.tool(effect="transactional", writes="desk:{name}")
def sit(name: str) -> int:
    """Needs no lease; says which process runs it."""
    assert name
    return os.getpid()
