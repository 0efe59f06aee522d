"""Three machines are ill, and a runbook heals each. Two restarts are not answered: one happened, the other did not, and a person looks.

`examples/incident/README.md` says what to start before. MACHINES_URL is where the machines are, as for the tools.
"""

import os
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx

from motet import Call, Client, Outcome, Policy
from motet.client import Event
from motet.records import AttemptsEnded

NODES = ("node-3", "node-7", "node-9")
MACHINES = os.environ.get("MACHINES_URL", "http://127.0.0.1:8098")
INCIDENT = f"incident-{uuid.uuid4().hex[:8]}"


def healing(node: str) -> list[Call]:
    """The second half of the runbook: from the restart on."""
    about = {"node": node, "incident": INCIDENT}
    clear = {"person": "grace", "text": f"{node} is well again", "incident": INCIDENT}
    return [
        Call("incident.restart", about, id="restart"),
        Call("incident.verify", {"node": node}, id="verify", after=["restart"]),
        Call("incident.readmit", about, id="readmit", after=["verify"]),
        Call("incident.page", clear, id="clear", after=["readmit"]),
    ]


def runbook(node: str) -> list[Call]:
    """All of it. Grace is woken while the machine is drained, and told when it is well."""
    about = {"node": node, "incident": INCIDENT}
    alarm = {"person": "grace", "text": f"{node} is ill", "incident": INCIDENT}
    restart, *after = healing(node)
    return [
        Call("incident.detect", {"node": node}, id="detect"),
        Call("incident.page", alarm, id="alarm", after=["detect"]),
        Call("incident.drain", about, id="drain", after=["detect"]),
        Call(restart.tool, restart.arguments, id="restart", after=["drain"]),
        *after,
    ]


def node_now(node: str) -> dict[str, Any]:
    """How a machine is, as a person sees it who walks up to it."""
    return dict(httpx.get(f"{MACHINES}/nodes/{node}").json())


def await_doubt(events: Iterator[Event], plans: set[str]) -> None:
    """Returns once each of the plans has a call of which nobody knows whether it happened."""
    for event in events:
        if isinstance(event.record, AttemptsEnded) and any(one.next == "IN_DOUBT" for one in event.record.attempts):
            plans.discard(event.record.plan_id)
        if not plans:
            return


def told(ended: Outcome) -> str:
    """How a plan ended, and each of its calls."""
    return f"{ended.status}: {', '.join(f'{one.call_id} {one.error_code or one.status}' for one in ended.results)}"


for node in NODES:
    httpx.post(f"{MACHINES}/break/{node}", json={"incident": INCIDENT}).raise_for_status()
boots = {node: node_now(node)["boots"] for node in NODES}

with (
    Client(tenant="acme", domain="incidents", agent="runbook") as agent,
    Client(tenant="acme", domain="incidents", agent="grace") as grace,
):
    events = agent.events(domain="incidents")
    plans = {node: agent.submit(runbook(node)) for node in NODES}
    print("node-3", told(plans["node-3"].wait()))

    await_doubt(events, {plans["node-7"].plan_id, plans["node-9"].plan_id})
    # Somebody else who would touch the machine meanwhile waits, or hears why not now.
    other = agent.run(healing("node-7"), policy=Policy(quarantine="refuse"))
    print("node-7 meanwhile:", other.status, other.reasons[0].code)
    for node in ("node-7", "node-9"):
        now = node_now(node)["boots"]
        plan_id = plans[node].plan_id
        if now > boots[node]:
            settled = grace.direct.settle(plan_id, "restart", "happened", now, reason="its lights went off and on")
        else:
            settled = grace.direct.settle(plan_id, "restart", "did_not_happen", reason="up for 90 days")
        print(f"{node} restart: {settled.finding}, says {settled.agent}")

    print("node-7", told(plans["node-7"].wait()))
    print("node-9", told(plans["node-9"].wait()))
    print("node-9", told(agent.run(healing("node-9"))))

counts = Counter(httpx.get(f"{MACHINES}/log/{INCIDENT}").json()["done"])
print(f"\nwhat happened outside, in {INCIDENT}:")
for line in sorted(counts):
    print(f"  {counts[line]}  {line}")
