"""Agents: services that react to messages and to the ends of their plans, and decide what comes next.

    from motet import Agent, Call, Done, Message, Plan, PlanDone, Say

    clerk = Agent("clerk", state=Case)

    @clerk.on_message
    def asked(case: Case, message: Message) -> Decision:
        return case.of(message.content), Plan("look", [Call("orders.find", {"number": message.content["order"]})])

    @clerk.on_plan("look")
    def looked(case: Case, done: PlanDone) -> Decision:
        return case, Say({"text": f"It is {done.outcome.results[0].value['status']}."}), Done()

Each conversation has one state, which is a fold over what it heard: a function takes the state and an input, and returns the new state with what is
to be done. It does nothing itself, so that a replay decides the same; what touches the world is a tool's, a model's answer too (`motet.models`).

Consumes `motet.messages.<agent>` (the agent's door) and `motet.events`; produces `motet.agents`, and puts plans on `motet.commands` and messages on
the doors of the agents that it tells. `agent` is what authors write, `stepping` what a step comes to, both pure; `handler` is the shard.
"""

from motet.agency.actions import Ask, Done, Fail, Plan, Say, Send
from motet.agency.agent import Agent, Decision, load
from motet.agency.handler import service
from motet.agency.hearing import Message, PlanDone
from motet.agency.limits import AgentLimits

__all__ = [
    "Agent",
    "AgentLimits",
    "Ask",
    "Decision",
    "Done",
    "Fail",
    "Message",
    "Plan",
    "PlanDone",
    "Say",
    "Send",
    "load",
    "service",
]
