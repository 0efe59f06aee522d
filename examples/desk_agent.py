"""An agent that refunds orders: it looks at all of them at once, asks a person about large sums, and lets a colleague estimate the rest.

Each function takes the conversation's state and what was heard, and returns the new state and what is to be done. None of them does anything itself.
"""

from dataclasses import dataclass, field, replace

from motet import Agent, AgentLimits, Ask, Call, Decision, Done, Fail, Message, Plan, PlanDone, Say, Send

LARGE = 500


@dataclass
class Case:
    """What is known of a customer's wish."""

    orders: list[str] = field(default_factory=list)
    paid: dict[str, int] = field(default_factory=dict)
    days: dict[str, int] = field(default_factory=dict)


desk = Agent("desk", state=Case, tells=["estimator"], limits=AgentLimits(steps=20, calls=50))


@desk.on_message
def heard(case: Case, message: Message) -> Decision:
    """A customer's wish, a colleague's estimate, or a person's word."""
    match message.content:
        case {"refund": list(orders)}:
            look = Plan("look", [Call("desk.find", {"number": one}) for one in orders])
            return replace(case, orders=orders), look
        case {"number": str(number), "days": int(days)}:
            case = replace(case, days={**case.days, number: days})
            return (case, *when_all_is_known(case))
        case {"approved": bool(approved)}:
            return (case, *(pay(case) if approved else (Fail("DENIED", f"{message.sender} did not approve"),)))
    return case, Say({"text": 'write {"refund": ["1001"]}'})


@desk.on_plan("look")
def looked(case: Case, done: PlanDone) -> Decision:
    """The orders: one that is not there ends the case; of the others a colleague says how long sending them again takes."""
    if done.outcome.status != "SUCCEEDED":
        missing = [one.error_message for one in done.outcome.results if one.error_message]
        return case, Fail("NO_SUCH_ORDER", "; ".join(missing))
    case = replace(case, paid={one.value["number"]: one.value["paid"] for one in done.outcome.results})
    return (case, *(Send("estimator", {"number": number}) for number in case.orders))


def when_all_is_known(case: Case) -> tuple[Ask | Plan, ...]:
    """Joins the estimates: small sums are paid at once, a person decides about large ones."""
    if len(case.days) < len(case.orders):
        return ()
    total = sum(case.paid.values())
    if total > LARGE:
        return (Ask("ada", {"approve": total, "orders": case.orders}),)
    return pay(case)


def pay(case: Case) -> tuple[Plan, ...]:
    """All refunds as one plan."""
    return (Plan("pay", [Call("desk.refund", {"number": one, "amount": case.paid[one]}) for one in case.orders]),)


@desk.on_plan("pay")
def paid(case: Case, done: PlanDone) -> Decision:
    """The end."""
    if done.outcome.status != "SUCCEEDED":
        return case, Fail("NOT_REFUNDED", done.outcome.text)
    refunded = {one.value["number"]: one.value["refunded"] for one in done.outcome.results}
    return case, Say({"text": "Your money is on its way."}), Done({"refunded": refunded, "days": case.days})
