"""Tools of another service than the benchmark's, to see who does not care when that one dies."""

from __future__ import annotations

from motet.tools import Toolset

tools = Toolset("other")


@tools.tool(effect="pure")
def echo(name: str, amount: int) -> str:  # noqa: ARG001  it takes what the benchmark's other tools take
    """Returns a name."""
    return name
