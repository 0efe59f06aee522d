"""Two agents that a model leads: a clerk with tools, and a colleague that it asks. Serve each: `--agents examples/model_agents.py:clerk`."""

from desk_tools import tools
from motet import AgentLimits
from motet.models import assistant

clerk = assistant(
    "clerk-llm",
    model="recorded",
    instructions="You refund orders. Look an order up before you refund it.",
    tools=[tools],
    only=["desk.find", "desk.refund"],
    colleagues={"estimator-llm": "Says how many days it takes to send an order again."},
    limits=AgentLimits(steps=20, calls=50, tokens=100_000),
)
estimator = assistant("estimator-llm", model="recorded", tools=[tools], only=["desk.weigh"], tells=["clerk-llm"])
