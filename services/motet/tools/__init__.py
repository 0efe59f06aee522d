"""Tools: typed Python functions that agents call through Motet, each with a contract derived from the function.

    from motet.tools import Context, Toolset, ToolFailed

    tools = Toolset("bank", schema="CREATE TABLE IF NOT EXISTS account (id text PRIMARY KEY, balance bigint NOT NULL)")

    @tools.tool(effect="transactional", writes=("account:{source}", "account:{target}"))
    def transfer(context: Context, source: str, target: str, amount: int) -> int:
        \"\"\"Moves an amount from one account to another and returns the new balance of the source.\"\"\"
        ...
        raise ToolFailed("account 42 holds 10, not 25", code="INSUFFICIENT_FUNDS")

`ToolFailed` and `TryAgain` are an author's two words (`motet.tools.failure`), `motet.tools.http` calls other services with the call's key.
The decorator returns the function unchanged, so a tool is tested by calling it, with `Context.for_testing()` if it takes one.
`motet tools serve MODULE` runs a toolset as a service of its own. Nothing in this package but the host knows Kafka.
"""

from motet.tools.compensation import Compensation, argument, result
from motet.tools.context import Context
from motet.tools.contract import Contract
from motet.tools.declaration import Breaker, EffectName
from motet.tools.event_loop import EventLoopThread
from motet.tools.failure import Cancelled, ToolFailed, TryAgain, Unknown
from motet.tools.held import Held
from motet.tools.loading import load
from motet.tools.reconciling import DidNotHappen, Happened
from motet.tools.running import Running
from motet.tools.tool import Tool
from motet.tools.toolset import Toolset
from motet.tools.versions import VersionConflict

__all__ = [
    "Breaker",
    "Cancelled",
    "Compensation",
    "Context",
    "Contract",
    "DidNotHappen",
    "EffectName",
    "EventLoopThread",
    "Happened",
    "Held",
    "Running",
    "Tool",
    "ToolFailed",
    "Toolset",
    "TryAgain",
    "Unknown",
    "VersionConflict",
    "argument",
    "load",
    "result",
]
