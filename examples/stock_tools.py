"""A warehouse: what is sold is written, stocktaking excludes everything, arrivals commute, and the scale weighs one thing at a time."""

from __future__ import annotations

import threading

from motet import Context, Toolset

tools = Toolset(
    "stock",
    schema="CREATE TABLE IF NOT EXISTS item (tenant text, name text, pieces integer NOT NULL, PRIMARY KEY (tenant, name))",
)
CHANGE = """
INSERT INTO item (tenant, name, pieces) VALUES (%s, %s, %s)
ON CONFLICT (tenant, name) DO UPDATE SET pieces = item.pieces + excluded.pieces
"""


@tools.tool(effect="transactional", writes="item:{name}")
def sell(context: Context, name: str, pieces: int = 1) -> str:
    """Takes pieces of an item."""
    context.connection.execute(CHANGE, (context.tenant, name, -pieces))
    return f"{pieces} of {name}"


@tools.tool(effect="transactional", commutes="item:{name}", operation="arrive")
def arrive(context: Context, name: str, pieces: int) -> str:
    """Adds pieces: arrivals commute with each other, and with nothing else."""
    context.connection.execute(CHANGE, (context.tenant, name, pieces))
    return f"{pieces} of {name}"


@tools.tool(effect="pure", writes="item:*", timeout_seconds=120)
def take_stock(context: Context, seconds: float) -> str:
    """Counts everything, and nothing may move meanwhile: `item:*` is the whole of all items."""
    for _ in range(int(seconds * 10)):
        context.check()
        threading.Event().wait(0.1)
    return "counted"


@tools.tool(effect="pure", at_once=1, timeout_seconds=120)
def weigh(context: Context, name: str, seconds: float = 0) -> str:
    """Weighs an item: there is one scale."""
    for _ in range(int(seconds * 10)):
        context.check()
        threading.Event().wait(0.1)
    return f"{name} weighed"


@tools.tool(effect="pure")
def scarcest(names: list[str]) -> dict[str, str]:
    """Names an item; which one, the plan that asks does not know before."""
    return {"name": min(names)}
