"""A specialist that other agents ask how long sending an order again would take."""

from motet import Agent, Call, Decision, Done, Fail, Message, Plan, PlanDone

estimator = Agent("estimator", state=dict, tells=["desk"])


@estimator.on_message
def asked(state: dict[str, str], message: Message) -> Decision:
    """A question from a colleague."""
    number = message.content["number"]
    return {**state, "number": number}, Plan("weigh", [Call("desk.weigh", {"number": number})])


@estimator.on_plan("weigh")
def weighed(state: dict[str, str], done: PlanDone) -> Decision:
    """The answer, which goes to whoever asked."""
    (result,) = done.outcome.results
    if result.status != "SUCCEEDED":
        return state, Fail("NOT_KNOWN", result.error_message or "")
    return state, Done({"number": state["number"], "days": result.value})
