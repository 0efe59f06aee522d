"""What a reconcilable tool finds out about attempts of which nobody knows whether they happened.

    def was_sent(context: Context, address: str, text: str) -> Happened | DidNotHappen:
        sent = provider.find(context.key)
        return Happened(sent.id) if sent else DidNotHappen()

    @tools.tool(effect="reconcilable", reconcile=was_sent)
    def send(context: Context, address: str, text: str) -> str: ...

It has the tool's parameters, is sync or async, and finds the call by `Context.key`, which each attempt had. Raising, or returning anything
else, means that it cannot tell: the call is in doubt. Raising TryAgain means that it cannot tell yet, and is asked again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from motet.chassis.errors import ConfigurationError
from motet.tools.signature import Signature, read_signature


@dataclass(frozen=True, slots=True)
class Happened:
    """It happened, and this is its result, of the type that the tool returns."""

    result: Any = None


@dataclass(frozen=True, slots=True)
class DidNotHappen:
    """It did not happen, and it will not any more: the call may be tried again."""


Finding = Happened | DidNotHappen


def wants_context(where: str, reconcile: Callable[..., Any], tool: Signature) -> bool:
    """Whether a reconcile function takes a Context. Raises ConfigurationError for parameters that are not the tool's."""
    where = f"{where}: its reconcile function"
    if not callable(reconcile) or inspect.isclass(reconcile):
        raise ConfigurationError(f"{where} is {reconcile!r}, which is no function")
    # `**kwargs` take whatever the tool takes.
    found = read_signature(where, reconcile, schema_given=True)
    have = {one.name for one in tool.arguments}
    absent = [one.name for one in found.arguments if one.required and one.name not in have]
    if absent and not tool.accepts_any:
        raise ConfigurationError(
            f"{where} needs {', '.join(absent)}, which the tool does not have; it has its parameters"
        )
    taken = {one.name for one in found.arguments}
    untaken = [one.name for one in tool.arguments if one.name not in taken]
    if (untaken or tool.accepts_any) and not found.accepts_any:
        raise ConfigurationError(
            f"{where} does not take {', '.join(untaken) or '**kwargs'}; it has the tool's parameters, or **kwargs"
        )
    return found.wants_context
