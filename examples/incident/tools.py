"""What a runbook does to machines and people. What cannot be taken back and not be asked about is never done a second time by itself.

`python examples/incident/machines.py` in one terminal, `motet up --tools examples/incident/tools.py` in another, then
`python examples/incident/run.py`.
"""

from __future__ import annotations

import os

from typing_extensions import TypedDict

from motet import Context, ToolFailed, Toolset
from motet.tools import DidNotHappen, Happened, Unknown
from motet.tools.http import Http

tools = Toolset("incident")
machines = Http(os.environ.get("MACHINES_URL", "http://127.0.0.1:8098"))


class Node(TypedDict):
    """How a machine is, and how often it was started."""

    healthy: bool
    serving: bool
    boots: int


def look(context: Context, node: str) -> Node:
    """Asks a machine how it is."""
    body = machines.get(context, f"/nodes/{node}").body
    if not body:
        raise ToolFailed(f"there is no machine {node}", code="NO_NODE")
    return {"healthy": body["healthy"], "serving": body["serving"], "boots": body["boots"]}


@tools.tool(effect="pure", reads="node:{node}", retry_on=(Unknown,))
def detect(context: Context, node: str) -> Node:
    """Finds out what is wrong with a machine."""
    found = look(context, node)
    if found["healthy"]:
        raise ToolFailed(f"nothing is wrong with {node}", code="HEALTHY")
    return found


@tools.tool(effect="pure", reads="node:{node}", retry_on=(Unknown,))
def verify(context: Context, node: str) -> Node:
    """Finds out whether a machine is well again."""
    found = look(context, node)
    if not found["healthy"]:
        raise ToolFailed(f"{node} is not well after {found['boots']} starts", code="STILL_ILL")
    return found


def is_drained(context: Context, node: str, incident: str) -> Happened | DidNotHappen:
    """Asks the machine."""
    del incident
    return DidNotHappen() if look(context, node)["serving"] else Happened("drained")


@tools.tool(effect="reconcilable", writes="node:{node}", timeout_seconds=5, reconcile=is_drained)
def drain(context: Context, node: str, incident: str) -> str:
    """Takes a machine out of service. After a lost answer it is asked whether it still serves."""
    machines.post(context, f"/drain/{node}", json={"incident": incident})
    return "drained"


@tools.tool(effect="irreversible", writes="node:{node}", timeout_seconds=5)
def restart(context: Context, node: str, incident: str) -> int:
    """Restarts a machine; how often it was started now. After a lost answer a person has to look."""
    return int(machines.post(context, f"/restart/{node}", json={"incident": incident}).body["boots"])


def is_serving(context: Context, node: str, incident: str) -> Happened | DidNotHappen:
    """Asks the machine."""
    del incident
    return Happened("serving") if look(context, node)["serving"] else DidNotHappen()


@tools.tool(effect="reconcilable", writes="node:{node}", timeout_seconds=5, reconcile=is_serving)
def readmit(context: Context, node: str, incident: str) -> str:
    """Puts a machine back into service."""
    machines.post(context, f"/readmit/{node}", json={"incident": incident})
    return "serving"


@tools.tool(effect="irreversible", timeout_seconds=5)
def page(context: Context, person: str, text: str, incident: str) -> str:
    """Wakes a person. Nobody is woken twice for one thing, and nobody can be unwoken."""
    machines.post(context, f"/page/{person}", json={"incident": incident, "text": text})
    return "paged"
