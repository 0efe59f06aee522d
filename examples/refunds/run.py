"""An agent refunds eight orders at once; a person decides about the large ones; what fails is undone, the last step first.

`examples/refunds/README.md` says what to start before.
"""

from collections.abc import Iterator
from typing import Any

from motet import Call, Client, Outcome, Policy
from motet.client import Event
from motet.records import ApprovalRequested, CommandRepeated, CompensationStarted, PlanEnded, PlanRejected

TILL = 10_000
# Above this a person decides.
LARGE = 500
UNDO = Policy(on_failure="compensate")
# What customers ask for, by the name of their case. The second case of order 1001 asks for the same money again.
CASES = {
    "A1": ("1001", 30),
    "A2": ("1002", 45),
    "A3": ("1003", 900),
    "A4": ("1004", 1_200),
    "A5": ("1005", 75),
    "A6": ("1006", 80),
    "A7": ("1007", 25),
    "A8": ("1001", 30),
}


def of(call: str, pointer: str) -> dict[str, Any]:
    """A part of an earlier call's result."""
    return {"$result": {"call": call, "pointer": pointer}}


def refund(number: str, amount: int) -> list[Call]:
    """The calls of a refund, each after the one before it."""
    customer, receipt = of("order", "/customer"), of("pay", "/receipt")
    money = {"order": number, "amount": amount}
    return [
        Call("refunds.order", {"number": number}, id="order"),
        Call("refunds.reserve", {**money, "paid": of("order", "/paid")}, id="reserve"),
        Call("refunds.pay_out", {**money, "customer": customer}, id="pay", after=["reserve"], approval=amount > LARGE),
        Call("refunds.write_letter", {"order": number, "customer": customer, "receipt": receipt}, id="letter"),
        Call("refunds.book", money, id="book", after=["letter"]),
    ]


def watch(events: Iterator[Event], person: Client, cases: dict[str, str]) -> list[str]:
    """Until every case has its end: answers for the person who is asked. What was decided and undone, by case; `cases` are their names by plan."""
    going_on, told = set(cases), []
    for event in events:
        record = event.record
        if record.plan_id not in going_on:
            continue
        case = cases[record.plan_id]
        if isinstance(record, ApprovalRequested):
            number, amount = CASES[case]
            decide = person.direct.approve if amount < 1_000 else person.direct.deny
            decided = decide(record.plan_id, record.call_id, record.arguments_sha256, reason="the limit of my desk")
            told.append(f"{case}: {decided.agent} is asked about {amount:,} for order {number}: {decided.decision}")
        elif isinstance(record, CompensationStarted):
            told.append(f"{case}: {refund(*CASES[case])[record.index].id} is undone by {record.tool}")
        elif isinstance(record, (PlanEnded, PlanRejected, CommandRepeated)):
            going_on.remove(record.plan_id)
        if not going_on:
            break
    # Cases overtake each other; what happened in one of them stands in its order.
    return sorted(told, key=lambda line: line.partition(":")[0])


def show(ends: dict[str, Outcome]) -> None:
    """A line for each refund."""
    print(f"\n{'case':4}  {'order':5}  {'amount':>6}  {'end':11}  why")
    for case, ended in ends.items():
        why = [one.error_code for one in ended.results if one.error_code not in (None, "DEPENDENCY_FAILED")]
        number, amount = CASES[case]
        print(f"{case:4}  {number:5}  {amount:6,}  {ended.status:11}  {' '.join(map(str, why))}".rstrip())


with (
    Client(tenant="acme", domain="refunds", agent="refund agent") as agent,
    Client(tenant="acme", domain="refunds", agent="ada") as person,
):
    agent.run([Call("refunds.open_ledger", {"cash": TILL})], idempotency_key="till")
    listening = agent.events(domain="refunds")
    # The key is the case: who runs this again gets the same answers, and nothing is paid twice.
    plans = {
        case: agent.submit(refund(*asked), policy=UNDO, idempotency_key=f"refund {case}")
        for case, asked in CASES.items()
    }
    for line in watch(listening, person, {plan.plan_id: case for case, plan in plans.items()}):
        print(line)
    ends = {case: plan.wait() for case, plan in plans.items()}
    show(ends)

    balance = agent.run([Call("refunds.balances")]).results[0].value
    there = sum(balance[account] for account in ("cash", "owed", "refunded"))
    print(f"\ncash {balance['cash']:,}, owed {balance['owed']:,}, refunded {balance['refunded']:,}")
    print(
        f"money conserved: {'yes' if there == TILL and not sum(balance.values()) else 'no'}, {TILL:,} before and {there:,} after"
    )
    print(f"answered before: {sum(ended.repeated for ended in ends.values())} of {len(ends)}")
