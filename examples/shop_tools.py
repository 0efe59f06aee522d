"""A small shop: a tool of each effect class, and what its contract says of the ways in which it may fail.

`python examples/payments.py` in one terminal, `motet up --tools examples/shop_tools.py` in another. The docs page `docs/failures.md` uses it.
"""

import os
import threading
from typing import Any

from motet import Context, ToolFailed, Toolset, TryAgain
from motet.tools import Breaker, Compensation, DidNotHappen, Happened, argument, result
from motet.tools.http import Http

tools = Toolset(
    "shop",
    schema="CREATE TABLE IF NOT EXISTS stock (tenant text, item text, count integer, PRIMARY KEY (tenant, item))",
)
payments = Http(os.environ.get("PAYMENTS_URL", "http://127.0.0.1:8099"))


@tools.tool(effect="transactional", writes="item:{item}", compensation=Compensation("release", item=argument("item")))
def reserve(context: Context, item: str) -> int:
    """Takes one of an item out of stock; how many are left of a hundred."""
    row = context.connection.execute(
        "INSERT INTO stock VALUES (%s, %s, 99) ON CONFLICT (tenant, item) DO UPDATE SET count = stock.count - 1 RETURNING count",
        (context.tenant, item),
    ).fetchone()
    return row[0] if row else 0


@tools.tool(effect="transactional", writes="item:{item}")
def release(context: Context, item: str) -> int:
    """Puts one of an item back into stock."""
    row = context.connection.execute(
        "UPDATE stock SET count = count + 1 WHERE tenant = %s AND item = %s RETURNING count", (context.tenant, item)
    ).fetchone()
    return row[0] if row else 0


@tools.tool(
    effect="idempotent",
    timeout_seconds=5,
    attempts=4,
    backoff_seconds=0.2,
    deadline_seconds=30,
    window_seconds=7 * 86_400,
    writes="account:{account}",
    compensation=Compensation("refund", account=argument("account"), receipt=result("/receipt")),
    cost="0.10",
)
def charge(context: Context, account: str, amount: int, trouble: str = "") -> dict[str, Any]:
    """Charges an account. The service honours the key, so an attempt whose answer was lost is made again."""
    answer = payments.post(context, "/charges", json={"account": account, "amount": amount, "trouble": trouble})
    context.spend(cost="0.04")
    return dict(answer.body)


@tools.tool(effect="idempotent", writes="account:{account}")
def refund(context: Context, account: str, receipt: str) -> str:
    """Undoes a charge."""
    return str(payments.post(context, "/refunds", json={"account": account, "of": receipt}).body["receipt"])


def was_paid(context: Context, supplier: str, amount: int, trouble: str = "") -> Happened | DidNotHappen:
    """Asks the service whether the key's payment was made."""
    del supplier, amount, trouble
    return Happened("paid") if payments.get(context, f"/charges/{context.key}").body["made"] else DidNotHappen()


@tools.tool(effect="reconcilable", timeout_seconds=5, reconcile=was_paid)
def pay(context: Context, supplier: str, amount: int, trouble: str = "") -> str:
    """Pays a supplier. After a lost answer the service is asked, before anything is done again."""
    payments.post(context, "/charges", json={"account": supplier, "amount": amount, "trouble": trouble})
    return "paid"


@tools.tool(
    effect="irreversible",
    timeout_seconds=5,
    compensation=Compensation("letter", address=argument("address"), text="Please disregard our last letter."),
)
def letter(context: Context, address: str, text: str, trouble: str = "") -> str:
    """Sends a letter. Nobody can ask whether it went out, so after a lost answer a person must say."""
    payments.post(context, "/letters", json={"to": address, "text": text, "trouble": trouble})
    return "sent"


@tools.tool(effect="idempotent", approval=True, approval_seconds=3_600)
def wire(context: Context, account: str, amount: int) -> str:
    """Wires an amount, once a person approved exactly this amount to this account."""
    return str(payments.post(context, "/charges", json={"account": account, "amount": amount}).body["receipt"])


@tools.tool(effect="idempotent", timeout_seconds=60, heartbeat_seconds=2)
def pack(context: Context, parcels: int) -> str:
    """Packs parcels, and says how far it is. Silent for two seconds, it would be given up and another attempt made."""
    for number in range(parcels):
        context.check()
        context.heartbeat({"packed": number})
        threading.Event().wait(0.2)
    return f"{parcels} packed"


@tools.tool(effect="pure", attempts=3, backoff_seconds=0.1)
def quote(context: Context, supplier: str) -> int:
    """Asks a supplier's price: "slow" takes a second, "moody" answers at the third attempt, "none" has no offer."""
    if supplier == "none":
        raise ToolFailed("no offer", code="NO_OFFER")
    if supplier == "moody" and context.attempt < 3:
        raise TryAgain("not in the mood")
    threading.Event().wait(1 if supplier == "slow" else 0)
    return len(supplier)


@tools.tool(effect="idempotent", attempts=1, breaker=Breaker(failures=2, reset_seconds=60))
def courier(context: Context, parcel: str, trouble: str = "") -> str:
    """Hands a parcel to a courier, unless the courier failed twice in a row: then nobody is asked for a minute."""
    return str(payments.post(context, "/charges", json={"parcel": parcel, "trouble": trouble}).body["receipt"])
