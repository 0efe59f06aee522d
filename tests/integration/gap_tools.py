"""A toolset of its own for what harms a topic for good."""

from __future__ import annotations

import threading

from motet import Toolset

tools = Toolset("gap")
gate = threading.Event()


@tools.tool(effect="pure")
def echo(text: str) -> str:
    """Returns what it is given."""
    return text


@tools.tool(effect="idempotent")
def slow(text: str) -> str:
    """Takes half a second."""
    gate.wait(0.5)
    return text
