"""An agent on LangGraph with checkpoints in SQLite, which goes on where it was; told to, it dies once its tools have run.

python langgraph_agent.py motet|alone CHECKPOINTS WITNESS_URL TENANT [die]
"""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.request
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from motet import Client
from motet.adapters import offered
from motet.adapters.langgraph import MotetToolNode

KIND, CHECKPOINTS, WITNESS, TENANT = sys.argv[1:5]


@tool("fault__charge")
def charge(account: str) -> str:
    """Charges an account, as a tool does that nobody keeps from being run again."""
    asked = urllib.request.Request(f"{WITNESS}/nokey", json.dumps({"account": account}).encode(), method="POST")  # noqa: S310
    with urllib.request.urlopen(asked) as answer:  # noqa: S310
        return str(answer.status)


def model(state: MessagesState) -> dict[str, Any]:
    """What a model would say: two calls at once, and then that is all."""
    if isinstance(state["messages"][-1], ToolMessage):
        return {"messages": [AIMessage("done")]}
    calls = [{"name": "fault__charge", "args": {"account": name}, "id": f"call_{name}"} for name in ("x", "y")]
    return {"messages": [AIMessage("", tool_calls=calls)]}


def graph(tools: Runnable[Any, Any], saver: SqliteSaver) -> Any:
    """Model, tools, model."""

    def run(state: MessagesState, config: Any) -> Any:
        done = tools.invoke(state, config)
        if "die" in sys.argv:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    builder = StateGraph(MessagesState)
    builder.add_node("model", model)
    builder.add_node("tools", RunnableLambda(run))
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else "__end__")
    builder.add_edge("tools", "model")
    return builder.compile(checkpointer=saver)


def main() -> None:
    """Begins, or goes on, and prints what the model was told."""
    with SqliteSaver.from_conn_string(CHECKPOINTS) as saver, Client(tenant=TENANT, domain="graph") as client:
        node: Runnable[Any, Any] = ToolNode([charge])
        if KIND == "motet":
            node = MotetToolNode(client, offered(client.contracts(), ["fault"]))
        agent = graph(node, saver)
        config = {"configurable": {"thread_id": "one"}}
        begun = agent.get_state(config).next
        asked = None if begun else {"messages": [("user", "charge x and y")]}
        # The model's answer is written down before its tools are called: otherwise nobody could know it after a crash.
        state = agent.invoke(asked, config, durability="sync")
        sys.stdout.write(json.dumps([[one.type, one.content] for one in state["messages"]]))


if __name__ == "__main__":
    main()
