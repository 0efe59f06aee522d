"""Submitting plans from Python, waiting for their ends, reading events.

    from motet import Call, Client

    with Client(tenant="acme", domain="orders") as client:
        ended = client.run([Call("bank.transfer", {"source": "01", "target": "02", "amount": 25})])
        print(ended.status, ended.results[0].value)

Nothing here is privileged: a client produces `SubmitPlan` to `motet.commands` and reads `motet.events`, as any Kafka client may.
"""

from motet.client.answers import CommandNotAnswered, Refused, Sent
from motet.client.client import Client, PlanTimeout, Submitted
from motet.client.events import Event
from motet.client.gathering import PlanFailed, gather
from motet.client.outcome import CallOutcome, Outcome
from motet.client.plans import Call, Mode, PlanLeases, command, read_plan_file
from motet.client.policy import Budget, Policy
from motet.client.repairs import Repaired
from motet.client.sending import SubmitFailed

__all__ = [
    "Budget",
    "Call",
    "CallOutcome",
    "Client",
    "CommandNotAnswered",
    "Event",
    "Mode",
    "Outcome",
    "PlanFailed",
    "PlanLeases",
    "PlanTimeout",
    "Policy",
    "Refused",
    "Repaired",
    "Sent",
    "SubmitFailed",
    "Submitted",
    "command",
    "gather",
    "read_plan_file",
]
