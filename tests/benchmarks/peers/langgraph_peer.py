"""LangGraph: a ToolNode runs the calls of a message, each sent to it as a task of its own, with checkpoints in PostgreSQL.

The worker takes plans over a local socket and runs a thread of the graph for each, under the plan's name: as an application with LangGraph
inside does. A plan that is asked for again goes on from its checkpoint.
"""

from __future__ import annotations

# mypy: disable-error-code="import-not-found, import-untyped, untyped-decorator"
# (The checkpointer is installed under build/peers alone.)
import asyncio
import sys
from collections.abc import Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Send
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from benchmarks.peers import wire
from benchmarks.peers.database import CONNECTIONS, pool_of, write
from benchmarks.peers.peer import About
from benchmarks.peers.wired import WiredPeer
from benchmarks.peers.work import Call, Plan


class LanggraphPeer(WiredPeer):
    """One worker process beside PostgreSQL."""

    about = About(
        title="LangGraph's ToolNode",
        api="graph.ainvoke on a thread of the plan's name; each call is sent to the ToolNode as a task of its own, as its agents do",
        effects="at least once: a row is committed before the checkpoint has its result",
        saturated_at=32,
        packages=("langgraph", "langgraph-prebuilt", "langgraph-checkpoint-postgres", "langchain-core"),
        settings={
            "checkpoints": f"AsyncPostgresSaver on a pool of {CONNECTIONS} connections, in the same PostgreSQL",
            "durability": "sync: a step begins when the one before is saved",
            "worker": f"one process, {CONNECTIONS} further connections for tools; plans reach it over a local socket",
        },
    )
    worker_module = "benchmarks.peers.langgraph_peer"


def to_tools(state: MessagesState) -> list[Send]:
    """Sends each call of the last message to the tools, as LangGraph's own agents do."""
    return [Send("tools", [call]) for call in asked(state).tool_calls]


def asked(state: MessagesState) -> AIMessage:
    """The message with the calls."""
    message = next(one for one in state["messages"] if isinstance(one, AIMessage))
    assert isinstance(message, AIMessage)
    return message


async def serve(url: str, port: int) -> None:
    """The worker."""
    pool = pool_of(url)
    await pool.open()
    options: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    checkpoints = AsyncConnectionPool(
        url, min_size=CONNECTIONS, max_size=CONNECTIONS, kwargs=options, open=False, timeout=600.0
    )
    await checkpoints.open()
    saver = AsyncPostgresSaver(checkpoints)
    await saver.setup()

    @tool
    async def write_row(key: str, account: str, wait_seconds: float) -> str:
        """Writes one row."""
        await asyncio.sleep(wait_seconds)
        return await write(pool, Call(key, account, wait_seconds))

    builder = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([write_row]))
    builder.add_conditional_edges(START, to_tools, ["tools"])
    builder.add_edge("tools", END)
    graph: Any = builder.compile(checkpointer=saver)

    async def handle(plan: Plan) -> Sequence[str | None]:
        config: Final = {"configurable": {"thread_id": plan.name}}
        known = await graph.aget_state(config)
        calls = [{"name": "write_row", "args": call.as_json(), "id": call.key} for call in plan.calls]
        given = None if known.values else {"messages": [AIMessage("", tool_calls=calls, id=plan.name)]}
        state = known.values if known.values and not known.next else None
        if state is None:
            state = await graph.ainvoke(given, config, durability="sync")
        results = {one.tool_call_id: str(one.content) for one in state["messages"] if one.type == "tool"}
        return [results.get(call.key) for call in plan.calls]

    await wire.serve(port, handle)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
