"""A toolset whose functions are watched: how often each ran to its end, and what goes wrong there on purpose."""

from __future__ import annotations

import copy
import functools
import inspect
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

from motet.records import Invocation
from motet.testing.faults import Faults
from motet.tools.failure import TryAgain, Unknown
from motet.tools.tool import Tool
from motet.tools.toolset import Toolset


class Watch:
    """What a tool service's one thread does at the moment. `ended` counts by tool and key."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.call: Invocation | None = None
        self.ended: dict[str, Counter[str]] = defaultdict(Counter)
        self.names: dict[str, str] = {}

    def begins(self, call: Invocation) -> None:
        """A call is to run from here on."""
        self.call = call
        self.names[call.key] = call.call_id

    def before(self) -> None:
        """A function is about to run."""
        if self.faults.due(self.call, "fails"):
            raise TryAgain("the rehearsal has this attempt fail: try again")

    def after(self) -> None:
        """A function ran to its end."""
        if self.call is None:
            return
        self.ended[self.call.tool][self.call.key] += 1
        if self.faults.due(self.call, "lost_answer"):
            raise Unknown("the rehearsal lost the answer of this attempt")

    def counted(self) -> dict[str, Counter[str]]:
        """The counts as they are."""
        return {tool: Counter(counts) for tool, counts in self.ended.items()}

    def count_back(self, counts: dict[str, Counter[str]]) -> None:
        """What was counted since was taken back."""
        self.ended = defaultdict(Counter, {tool: Counter(one) for tool, one in counts.items()})


class WatchedToolset(Toolset):
    """The same tools under the same contracts; only their functions are watched."""

    def __init__(self, original: Toolset, watch: Watch) -> None:
        super().__init__(original.name, original.schema)
        self._tools = {(tool.name, tool.version): watched(tool, watch) for tool in original.tools}


def watched(tool: Tool, watch: Watch) -> Tool:
    """A tool whose function is watched."""
    made = copy.copy(tool)
    made.function = around(tool.function, watch)
    return made


def around(function: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    """A function, and what is to be seen before and after it. An async one is seen once it is done."""

    async def waited(answer: Coroutine[Any, Any, Any]) -> Any:
        found = await answer
        watch.after()
        return found

    @functools.wraps(function)
    def run(*arguments: Any, **keywords: Any) -> Any:
        watch.before()
        answer = function(*arguments, **keywords)
        if inspect.iscoroutine(answer):
            return waited(answer)
        watch.after()
        return answer

    return run
