"""Reading a tool's function: its arguments, types and return type, with everything refused that a contract cannot say."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from motet.chassis.errors import ConfigurationError
from motet.tools.context import Context

ABSENT = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter that calls fill. `hint` and `default` are ABSENT where the function has none."""

    name: str
    hint: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether a call without it could not be made."""
        return self.default is ABSENT


@dataclass(frozen=True, slots=True)
class Signature:
    """What Motet needs to know of a function. `accepts_any` means that it takes `**kwargs`."""

    arguments: tuple[Argument, ...]
    accepts_any: bool
    wants_context: bool
    returns: Any


def read_signature(where: str, function: Callable[..., Any], *, schema_given: bool) -> Signature:
    """The signature of a tool's function.

    Raises ConfigurationError for generators, positional-only parameters, `*args`, `**kwargs` without a given schema, hints that
    cannot be resolved, and a Context that is not the first parameter.
    """
    implementation = _implementation(function)
    if inspect.isgeneratorfunction(implementation) or inspect.isasyncgenfunction(implementation):
        raise ConfigurationError(
            f"{where} is a generator; a tool returns one result: return a list instead of yielding"
        )
    hints = _hints(where, implementation)
    parameters = list(inspect.signature(function).parameters.values())
    wants_context = bool(parameters) and hints.get(parameters[0].name) is Context
    arguments: list[Argument] = []
    accepts_any = False
    for parameter in parameters[1:] if wants_context else parameters:
        if parameter.kind is parameter.VAR_KEYWORD and schema_given:
            accepts_any = True
            continue
        _check_parameter(where, parameter, hints.get(parameter.name))
        arguments.append(Argument(parameter.name, hints.get(parameter.name, ABSENT), parameter.default))
    return Signature(tuple(arguments), accepts_any, wants_context, hints.get("return", ABSENT))


def _implementation(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function that hints and kind are read from: within a partial, or an object's `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function):
        return function
    call: Callable[..., Any] = type(function).__call__
    return call


def _hints(where: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise ConfigurationError(
            f"{where}: its type hints cannot be resolved ({error}); import their types at the top of the module, "
            "outside `if TYPE_CHECKING`"
        ) from error
    # get_type_hints writes None as NoneType, which pydantic takes as well.
    return hints


def _check_parameter(where: str, parameter: inspect.Parameter, hint: Any) -> None:
    name = parameter.name
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise ConfigurationError(f"{where} takes *{name}; arguments have names: take a list, `{name}: list[...]`")
    if parameter.kind is parameter.VAR_KEYWORD:
        raise ConfigurationError(
            f"{where} takes **{name}, whose names a contract cannot know: name each argument, or give arguments_schema"
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise ConfigurationError(
            f"{where}: the argument {name!r} is positional-only; arguments have names: remove the `/`"
        )
    if hint is Context or Context in typing.get_args(hint):
        raise ConfigurationError(
            f"{where}: {name!r} is a Context; it must be the first parameter, annotated `Context` alone"
        )
    if isinstance(parameter.default, FieldInfo):
        raise ConfigurationError(
            f"{where}: the default of {name!r} is a Field, which a plain call of the function would receive; write "
            f"`{name}: Annotated[type, Field(...)] = default`"
        )
