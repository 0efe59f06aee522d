"""The agent that works through the leaderboard's scenarios: a model leads it, and all of the eight APIs are its tools."""

from __future__ import annotations

from motet.agency import AgentLimits
from motet.demo import apis
from motet.demo.toolsets.api_toolset import api_toolset
from motet.models import assistant
from motet.tools import Contract

# What sets a scenario up is no tool of a model's.
SETS_UP = "load_scenario"


def contracts() -> list[Contract]:
    """The contracts that a model is offered."""
    every = (tool.contract_fields() for name in apis.TOOLSETS for tool in api_toolset(name).tools)
    return [one for one in every if not one.name.endswith(f".{SETS_UP}")]


agent = assistant(
    "berkeley",
    model="recorded",
    instructions="You work for whoever asks, with the functions that you have.",
    tools=contracts(),
    chat=True,
    limits=AgentLimits(steps=200, calls=1_000),
)
