"""Tools of which one takes a while, one asks for another attempt, one costs, and one ends without a word."""

from __future__ import annotations

import threading

from motet import Context, Toolset, TryAgain

SECONDS = 0.3
never = threading.Event()
tools = Toolset("roi")


@tools.tool(effect="idempotent")
def look(city: str) -> str:
    """Takes a while, and uses nothing that another call uses."""
    never.wait(SECONDS)
    return f"sunny in {city}"


@tools.tool(effect="idempotent", backoff_seconds=0.05, cost="0.10", tokens=100)
def book(context: Context, city: str) -> str:
    """Has no room the first time; costs less than its contract says."""
    if context.attempt == 1:
        raise TryAgain("no room yet")
    context.spend(cost="0.04", tokens=30)
    return f"a room in {city}"


@tools.tool(effect="irreversible", cost="0.02", tokens=7)
def mail(city: str) -> str:
    """Breaks down on its way: nobody knows whether the letter went out."""
    raise OSError(f"the line to {city} broke")
