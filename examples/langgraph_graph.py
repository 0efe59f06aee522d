"""A LangGraph agent whose tool calls are one plan. `motet up --tools examples/greeting_tools.py` first; `pip install langgraph`.

The model is written out here, so that the example needs no provider: put any chat model with `bind_tools(schemas(tools))` in its place.
"""

from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import tools_condition

from motet import Client
from motet.adapters import offered, schemas
from motet.adapters.langgraph import MotetToolNode


def model(state: MessagesState) -> dict[str, Any]:
    """Greets two guests at once, and then says what it heard."""
    heard = [str(one.content) for one in state["messages"] if isinstance(one, ToolMessage)]
    if heard:
        return {"messages": [AIMessage(" and ".join(heard))]}
    names = ("Ada", "Grace")
    calls = [{"name": "greeting__greet", "args": {"name": name}, "id": f"call_{name}"} for name in names]
    return {"messages": [AIMessage("", tool_calls=calls)]}


with Client(tenant="acme", domain="party", agent="graph") as client:
    tools = offered(client.contracts(), ["greeting"])
    print([one["function"]["name"] for one in schemas(tools)])
    builder = StateGraph(MessagesState)
    builder.add_node("model", model)
    builder.add_node("tools", MotetToolNode(client, tools))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", tools_condition)
    builder.add_edge("tools", "model")
    graph = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "party"}}
    # The model's answer is in the checkpoint before its tools are called: a graph that goes on after a crash asks for the same plan.
    told = graph.invoke({"messages": [HumanMessage("greet them")]}, config, durability="sync")
    print(told["messages"][-1].content)
