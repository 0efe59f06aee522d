"""Two agents post to 300 accounts and a third closes the month in the midst of it, without anyone waiting for anyone.

`motet up --tools examples/month_end/tools.py` first.
"""

import uuid
from collections import Counter

from motet import Call, Client
from motet.client import Submitted

ACCOUNTS = [f"{number:04}" for number in range(300)]
PART = 100
# New books at each run; what is closed stays closed.
BOOKS = f"books-{uuid.uuid4().hex[:8]}"


def postings(agent: Client, tool: str, **arguments: int) -> list[Submitted]:
    """A posting for every account, in plans of a hundred. Each is an act of its own, so it gives its account back when it has ended."""
    plans = [
        agent.submit(
            [Call(tool, {"account": one, **arguments}) for one in ACCOUNTS[first : first + PART]], isolation="call"
        )
        for first in range(0, len(ACCOUNTS), PART)
    ]
    # What is in Kafka has its place in the order; how far it is, nobody asks.
    agent.flush()
    return plans


def periods(plans: list[Submitted]) -> Counter[int]:
    """How many postings went to which period."""
    return Counter(call.value["period"] for plan in plans for call in plan.wait(120).results)


with (
    Client(tenant="acme", domain=BOOKS, agent="fees") as fees,
    Client(tenant="acme", domain=BOOKS, agent="interest") as interest,
    Client(tenant="acme", domain=BOOKS, agent="controller") as controller,
):
    controller.run([Call("books.open_books", {"accounts": len(ACCOUNTS), "each": 100_000})])

    before = postings(fees, "books.accrue", amount=250) + postings(interest, "books.interest", basis_points=25)
    closing = controller.submit(
        [
            Call("books.trial_balance", id="balance"),
            Call(
                "books.close",
                {
                    "period": {"$result": {"call": "balance", "pointer": "/period"}},
                    "entries": {"$result": {"call": "balance", "pointer": "/entries"}},
                },
            ),
        ]
    )
    controller.flush()
    behind = postings(fees, "books.accrue", amount=125) + postings(interest, "books.interest", basis_points=10)

    closed = closing.wait(120).results[1].value
    early, late = periods(before), periods(behind)
    print(
        f"{len(ACCOUNTS)} accounts, {early.total()} postings before the close and {late.total()} behind it, all asked for at once\n"
    )

    report = controller.run([Call("books.report")]).results[0].value
    print(f"{'period':6}  {'state':6}  {'entries':>7}  {'debit':>14}  {'credit':>14}  {'sum':>4}")
    for one in report:
        amounts = f"{one['debit'] / 100:14,.2f}  {one['credit'] / 100:14,.2f}  {one['debit'] - one['credit']:4}"
        print(f"{one['period']:6}  {'closed' if one['closed'] else 'open':6}  {one['entries']:7,}  {amounts}")

    print(f"\nasked for before the close, and in period 1: {early[1]} of {early.total()}")
    print(f"asked for behind the close, and in period 1: {late[1]} of {late.total()}")
    print(
        f"the closed period is what was closed: {'yes' if report[0] == closed else 'no'}, {closed['entries']:,} entries"
    )
