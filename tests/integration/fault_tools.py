"""Tools of every effect class before an outside witness, whose log tells what really happened. WITNESS_URL names it."""

from __future__ import annotations

import os
import threading
from typing import Any

from motet import Context, ToolFailed, Toolset, TryAgain
from motet.tools import Breaker, Compensation, DidNotHappen, Happened, argument, result
from motet.tools.http import Http

tools = Toolset(
    "fault", schema="CREATE TABLE IF NOT EXISTS entry (key text NOT NULL, tenant text NOT NULL, account text NOT NULL)"
)
http = Http(os.environ.get("WITNESS_URL", "http://127.0.0.1:9"))
never = threading.Event()
# Set for a plan once a call of it that goes to the witness runs.
begun: dict[str, threading.Event] = {}


@tools.tool(effect="pure", timeout_seconds=1)
def compute(context: Context, how: str = "") -> str:
    """Computes; `slow` takes longer than it may."""
    if how == "slow" and context.attempt == 1:
        never.wait(3)
    if how == "fail":
        raise ToolFailed("it was asked to fail", code="ASKED")
    return "computed"


@tools.tool(effect="pure", timeout_seconds=60)
def compute_beside(context: Context, how: str = "") -> str:
    """Computes once the call beside it runs: what its end means for that one, it means while that one runs."""
    begun.setdefault(context.plan_id, threading.Event()).wait(60)
    return compute(context, how)


@tools.tool(
    effect="transactional",
    timeout_seconds=1,
    writes="account:{account}",
    compensation=Compensation("withdraw", account=argument("account")),
)
def deposit(context: Context, account: str, how: str = "") -> int:
    """Writes an entry; `slow` never returns the first time, `again` asks for another attempt twice."""
    context.connection.execute(
        "INSERT INTO entry (key, tenant, account) VALUES (%s, %s, %s)", (context.key, context.tenant, account)
    )
    if how == "slow" and context.attempt == 1:
        while not never.wait(0.1):
            pass
    if how == "again" and context.attempt < 3:
        raise TryAgain("not yet")
    return 1


@tools.tool(effect="transactional", writes="account:{account}")
def withdraw(context: Context, account: str) -> int:
    """Undoes a deposit by an entry of its own."""
    context.connection.execute(
        "INSERT INTO entry (key, tenant, account) VALUES (%s, %s, %s)", (context.key, context.tenant, account)
    )
    return -1


@tools.tool(
    effect="idempotent",
    timeout_seconds=1,
    attempts=5,
    backoff_seconds=0.2,
    backoff_limit_seconds=1,
    writes="account:{account}",
    compensation=Compensation("refund", account=argument("account"), charged=result("/body"), query=argument("refund")),
    cost="0.10",
    tokens=100,
)
def charge(context: Context, account: str, query: str = "", refund: str = "") -> dict[str, Any]:
    """Charges an account at the witness, which honours keys."""
    context.spend(cost="0.04")
    begun.setdefault(context.plan_id, threading.Event()).set()
    answer = http.post(context, f"/charge{query}", json={"account": account})
    return {"status": answer.status, "body": answer.body, "refund": refund}


@tools.tool(effect="idempotent", timeout_seconds=1, attempts=5, backoff_seconds=0.2, backoff_limit_seconds=1)
def refund(context: Context, account: str, charged: Any, query: str = "") -> str:
    """Undoes a charge."""
    del charged
    return str(http.post(context, f"/refund{query}", json={"account": account}).status)


@tools.tool(effect="idempotent", timeout_seconds=30)
def hold(context: Context, query: str = "?delay=3") -> int:
    """Takes a while, and may be told to stop."""
    return http.post(context, f"/charge{query}", json={}).status


def asked(context: Context, query: str = "") -> Happened | DidNotHappen:
    """Whether the witness has the key's effect."""
    del query
    found = http.get(context, f"/lookup/{context.key}").body
    return Happened("found") if found["applied"] else DidNotHappen()


@tools.tool(effect="reconcilable", timeout_seconds=2, reconcile=asked, compensation=Compensation("apologise"))
def pay(context: Context, query: str = "") -> str:
    """Pays at the witness, which can be asked about it."""
    begun.setdefault(context.plan_id, threading.Event()).set()
    http.post(context, f"/nokey{query}", json={})
    return "paid"


@tools.tool(effect="irreversible", timeout_seconds=2, compensation=Compensation("apologise"))
def mail(context: Context, query: str = "") -> str:
    """Sends a letter, which nobody can ask about or call back."""
    begun.setdefault(context.plan_id, threading.Event()).set()
    http.post(context, f"/nokey{query}", json={})
    return "sent"


@tools.tool(effect="idempotent", timeout_seconds=1)
def apologise(context: Context) -> str:
    """Sends another letter about it."""
    return str(http.post(context, "/apology", json={}).status)


@tools.tool(effect="idempotent", compensation=Compensation("recall"))
def ship(context: Context) -> str:
    """Ships something, which can be called back only by a letter."""
    return str(http.post(context, "/ship", json={}).status)


@tools.tool(effect="irreversible")
def recall(context: Context) -> str:
    """Calls it back, and the answer is lost."""
    http.post(context, "/nokey?apply_then_drop=1", json={})
    return "called back"


@tools.tool(effect="idempotent", timeout_seconds=1, attempts=1, breaker=Breaker(failures=2, reset_seconds=1))
def fragile(context: Context, query: str = "") -> int:
    """A dependency that dies."""
    return http.post(context, f"/charge{query}", json={}).status


@tools.tool(effect="idempotent", timeout_seconds=30, heartbeat_seconds=1, attempts=2, backoff_seconds=0.1)
def long_work(context: Context, silent: bool = False) -> int:
    """Says how far it is; silent, its first attempt says nothing for longer than it may."""
    for step in range(3):
        if silent and context.attempt == 1:
            never.wait(4)
        else:
            context.heartbeat({"step": step})
            never.wait(0.3)
    return http.post(context, "/charge", json={}).status


@tools.tool(effect="idempotent", timeout_seconds=1, approval=True, approval_seconds=60)
def wire(context: Context, amount: int) -> int:
    """Wires an amount, once a person approved it."""
    return http.post(context, "/wire", json={"amount": amount}).status
