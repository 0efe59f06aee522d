"""Tools: typed Python functions that agents call through Motet, each with a contract derived from the function.

    from motet.tools import Context, Toolset, ToolFailed

    tools = Toolset("bank", schema="CREATE TABLE IF NOT EXISTS account (id text PRIMARY KEY, balance bigint NOT NULL)")

    @tools.tool(effect="transactional", writes=("account:{source}", "account:{target}"))
    def transfer(context: Context, source: str, target: str, amount: int) -> int:
        \"\"\"Moves an amount from one account to another and returns the new balance of the source.\"\"\"
        ...
        raise ToolFailed("account 42 holds 10, not 25", code="INSUFFICIENT_FUNDS")

The decorator returns the function unchanged, so a tool is tested by calling it, with `Context.for_testing()` if it takes one.
`motet tools serve MODULE` runs a toolset as a service of its own. Nothing in this package but the host knows Kafka.
"""

from motet.tools.context import Context
from motet.tools.contract import Contract
from motet.tools.declaration import EffectName
from motet.tools.event_loop import EventLoopThread
from motet.tools.failure import ToolFailed
from motet.tools.loading import load
from motet.tools.tool import Tool
from motet.tools.toolset import Toolset

__all__ = ["Context", "Contract", "EffectName", "EventLoopThread", "Tool", "ToolFailed", "Toolset", "load"]
