"""Refunds: an order is looked up, the money is set aside in a ledger, paid out, told to the customer, and booked; each step can be undone.

`python examples/payments.py` in one terminal, `motet up --tools examples/refunds/tools.py` in another, then `python examples/refunds/run.py`.
Amounts are whole euros.
"""

from __future__ import annotations

import os
from typing import Final

from typing_extensions import TypedDict

from motet import Context, ToolFailed, Toolset
from motet.tools import Compensation, argument, result
from motet.tools.http import Http

tools = Toolset(
    "refunds",
    schema="""
CREATE TABLE IF NOT EXISTS entry (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant text NOT NULL, order_number text NOT NULL,
    account text NOT NULL, amount bigint NOT NULL, plan_id text NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_of_order ON entry (tenant, order_number);
CREATE TABLE IF NOT EXISTS letter (
    tenant text, order_number text, text text NOT NULL, withdrawn boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant, order_number)
);
""",
)
payments = Http(os.environ.get("PAYMENTS_URL", "http://127.0.0.1:8099"))


class Order(TypedDict):
    """What the shop knows of an order."""

    customer: str
    paid: int


# The shop's orders are another system's; here they are written out. A customer called "closed" has an account that takes nothing any more.
ORDERS: Final[dict[str, Order]] = {
    "1001": {"customer": "Ada", "paid": 30},
    "1002": {"customer": "Grace", "paid": 45},
    "1003": {"customer": "Edsger", "paid": 900},
    "1004": {"customer": "Barbara", "paid": 1_200},
    "1005": {"customer": "Alan", "paid": 60},
    "1006": {"customer": "Kurt", "paid": 80},
    "1007": {"customer": "closed", "paid": 25},
}
DISPUTED: Final = frozenset({"1006"})


def enter(context: Context, order: str, source: str, target: str, amount: int) -> None:
    """Moves an amount between two accounts of the ledger: two entries, whose sum is zero."""
    for account, change in ((source, -amount), (target, amount)):
        context.connection.execute(
            "INSERT INTO entry (tenant, order_number, account, amount, plan_id) VALUES (%s, %s, %s, %s, %s)",
            (context.tenant, order, account, change, context.plan_id),
        )


@tools.tool(effect="transactional", writes="ledger")
def open_ledger(context: Context, cash: int) -> int:
    """Puts the money into the till from which refunds are paid."""
    enter(context, "", "owner", "cash", cash)
    return cash


@tools.tool(effect="pure")
def order(number: str) -> Order:
    """Looks an order up."""
    if number not in ORDERS:
        raise ToolFailed(f"there is no order {number}", code="NO_ORDER")
    return ORDERS[number]


# Entries are only added, so those of different orders do not wait for each other; those of one order do.
@tools.tool(
    effect="transactional",
    writes="order:{order}",
    commutes="ledger",
    operation="enter",
    compensation=Compensation("release", order=argument("order"), amount=argument("amount")),
)
def reserve(context: Context, order: str, amount: int, paid: int) -> int:
    """Sets money for a refund aside; how much of the order could still be refunded then."""
    row = context.connection.execute(
        "SELECT coalesce(sum(amount), 0)::bigint FROM entry "
        "WHERE tenant = %s AND order_number = %s AND account IN ('owed', 'refunded')",
        (context.tenant, order),
    ).fetchone()
    left = paid - (row[0] if row else 0)
    if amount > left:
        raise ToolFailed(f"{amount} is more than the {left} of order {order} that can be refunded", code="TOO_MUCH")
    enter(context, order, "cash", "owed", amount)
    return left - amount


@tools.tool(effect="transactional", writes="order:{order}", commutes="ledger", operation="enter")
def release(context: Context, order: str, amount: int) -> str:
    """Undoes `reserve`."""
    enter(context, order, "owed", "cash", amount)
    return f"{amount} back in the till"


@tools.tool(
    effect="idempotent",
    timeout_seconds=5,
    backoff_seconds=0.2,
    writes="order:{order}",
    compensation=Compensation(
        "claw_back",
        order=argument("order"),
        customer=argument("customer"),
        amount=argument("amount"),
        receipt=result("/receipt"),
    ),
)
def pay_out(context: Context, order: str, customer: str, amount: int) -> dict[str, str]:
    """Pays a refund out, through a payment service that honours the call's key. The agent asks for a person's approval of large ones."""
    asked = {"account": customer, "order": order, "amount": amount}
    return {"receipt": payments.post(context, "/refunds", json=asked).body["receipt"]}


@tools.tool(effect="idempotent", timeout_seconds=5, backoff_seconds=0.2, writes="order:{order}")
def claw_back(context: Context, order: str, customer: str, amount: int, receipt: str) -> dict[str, str]:
    """Undoes `pay_out`: charges what was paid out."""
    asked = {"account": customer, "order": order, "amount": amount, "of": receipt}
    return {"receipt": payments.post(context, "/charges", json=asked).body["receipt"]}


@tools.tool(
    effect="transactional", writes="order:{order}", compensation=Compensation("withdraw", order=argument("order"))
)
def write_letter(context: Context, order: str, customer: str, receipt: str) -> str:
    """Puts a letter into tonight's post, from where it can still be taken."""
    text = f"Dear {customer}, we have paid you back: {receipt}."
    context.connection.execute(
        "INSERT INTO letter VALUES (%s, %s, %s) "
        "ON CONFLICT (tenant, order_number) DO UPDATE SET text = excluded.text, withdrawn = false",
        (context.tenant, order, text),
    )
    return text


@tools.tool(effect="transactional", writes="order:{order}")
def withdraw(context: Context, order: str) -> str:
    """Undoes `write_letter`."""
    context.connection.execute(
        "UPDATE letter SET withdrawn = true WHERE tenant = %s AND order_number = %s", (context.tenant, order)
    )
    return "taken out of the post"


@tools.tool(effect="transactional", writes="order:{order}", commutes="ledger", operation="enter")
def book(context: Context, order: str, amount: int) -> str:
    """Books the refund as paid. It is the last step, so nothing undoes it; what it refuses undoes all before it."""
    if order in DISPUTED:
        raise ToolFailed(f"order {order} is before a court, and nothing of it is refunded", code="DISPUTED")
    enter(context, order, "owed", "refunded", amount)
    return f"{amount} refunded"


@tools.tool(effect="transactional", reads="ledger")
def balances(context: Context) -> dict[str, int]:
    """The balance of every account, when no refund is under way."""
    rows = context.connection.execute(
        "SELECT account, sum(amount)::bigint FROM entry WHERE tenant = %s GROUP BY account ORDER BY account",
        (context.tenant,),
    ).fetchall()
    return dict(rows)
