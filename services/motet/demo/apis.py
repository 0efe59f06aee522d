"""The leaderboard's eight API classes, run so that the same calls always give the same answers.

The classes come from the installed package `bfcl-eval`; only their modules are imported, which need nothing but `mpmath`. What
would make two runs differ is taken out here, for the reference and for the tools alike:

- randomness: each object has its own seeded generator, which is part of its state;
- today's date (a traveller's age): fixed;
- precision: `logarithm` and `square_root` set it for the whole process. One such call runs at a time, and precision is put back;
- default arguments: `post_tweet(tags=[])` would keep one list for all tweets of the process, so each call gets its own copy;
- the time a file was written: kept nowhere, because nothing reads it.

What is left: two error texts list a Python set (a travel class that does not exist, several wrong fields of a ticket); their order
changes from process to process. No ground-truth call gets one of them.
"""

from __future__ import annotations

import decimal
import importlib
import inspect
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime
from functools import cache
from typing import Any, cast

from motet.chassis.canonical import NotCanonical, canonical_json
from motet.demo import instance_state

SOURCES = "bfcl_eval.eval_checker.multi_turn_eval.func_source_code"
MODULES = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "TwitterAPI": "posting_api",
    "VehicleControlAPI": "vehicle_control",
}
TOOLSETS = {
    "GorillaFileSystem": "filesystem",
    "MathAPI": "maths",
    "MessageAPI": "messages",
    "TicketAPI": "tickets",
    "TradingBot": "trading",
    "TravelAPI": "travel",
    "TwitterAPI": "posts",
    "VehicleControlAPI": "vehicle",
}
STATELESS = frozenset({"MathAPI"})
TODAY = (2026, 1, 1)

# Set by the class itself and the same for all objects: no part of the state.
CONSTANT_ATTRIBUTE = "_api_description"

# What the classes raise for arguments they cannot work with. The leaderboard's own executor turns any exception into a result;
# these are the ones that wrong arguments can cause, so that a defect elsewhere is not taken for an answer.
CALL_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)

_precision = threading.Lock()


class UnknownApi(LookupError):
    """A class or function that the leaderboard's APIs do not have."""


class _FixedDate(datetime):
    """A datetime whose today is always the same day."""

    @classmethod
    def today(cls) -> _FixedDate:
        return cls(*TODAY)


@cache
def api_class(class_name: str) -> type:
    """The API class of that name, as the leaderboard has it but for the fixed date."""
    if class_name not in MODULES:
        raise UnknownApi(f"no API class {class_name!r}; there are {', '.join(MODULES)}")
    module = importlib.import_module(f"{SOURCES}.{MODULES[class_name]}")
    if class_name == "TravelAPI":
        vars(module)["datetime"] = _FixedDate
    return cast("type", getattr(module, class_name))


@cache
def functions(class_name: str) -> Mapping[str, inspect.Signature]:
    """The public methods of a class by name, in alphabetical order, with their signatures without `self`."""
    found = {}
    for name, method in inspect.getmembers(api_class(class_name), inspect.isfunction):
        if not name.startswith("_"):
            signature = inspect.signature(method)
            found[name] = signature.replace(parameters=list(signature.parameters.values())[1:])
    return found


@cache
def owners() -> Mapping[str, str]:
    """The class of each function. No two classes have a function of the same name."""
    return {function: class_name for class_name in MODULES for function in functions(class_name)}


def create(class_name: str, initial_config: Mapping[str, Any]) -> Any:
    """A new object in the state that a scenario gives it; an empty one means the class's default state."""
    instance = api_class(class_name)()
    if class_name not in STATELESS:
        instance._load_scenario(deepcopy(dict(initial_config)))  # noqa: SLF001  the leaderboard's own way in
    return instance


def call(instance: Any, function: str, arguments: Mapping[str, Any]) -> Any:
    """Calls a function of an object and returns its answer as a JSON value.

    As in the leaderboard's executor, a dictionary is JSON (a dictionary JSON cannot carry is its Python text), everything else is
    text, and an exception is the text "Error during execution: …".
    """
    class_name = type(instance).__name__
    if function not in functions(class_name):
        raise UnknownApi(f"{class_name} has no function {function!r}; it has {', '.join(functions(class_name))}")
    given = {**_fresh_defaults(class_name, function), **arguments}
    try:
        if class_name in STATELESS:
            with _own_precision():
                return _answer(getattr(instance, function)(**given))
        return _answer(getattr(instance, function)(**given))
    except CALL_ERRORS as error:
        return f"Error during execution: {error}"


def dump(instance: Any) -> Any:
    """The object's state as a JSON value: equal values mean objects that will behave the same."""
    attributes = {name: value for name, value in _readable(vars(instance)) if name != CONSTANT_ATTRIBUTE}
    return instance_state.encode(attributes, _inner_classes(type(instance).__name__))


def load(class_name: str, state: Any) -> Any:
    """An object in the state that `dump` gave."""
    instance = api_class(class_name)()
    vars(instance).update(instance_state.decode(state, _inner_classes(class_name)))
    return instance


def _readable(attributes: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Public attributes first: a file system's tree is then written from its root, and the current directory is a reference."""
    return sorted(attributes.items(), key=lambda item: (item[0].startswith("_"), item[0]))


@cache
def _inner_classes(class_name: str) -> Mapping[str, type]:
    if class_name != "GorillaFileSystem":
        return {}
    module = importlib.import_module(api_class(class_name).__module__)
    return {"file": module.File, "directory": module.Directory}


def _fresh_defaults(class_name: str, function: str) -> dict[str, Any]:
    parameters = functions(class_name)[function].parameters.values()
    return {one.name: deepcopy(one.default) for one in parameters if isinstance(one.default, (list, dict, set))}


@contextmanager
def _own_precision() -> Iterator[None]:
    import mpmath  # noqa: PLC0415  only the maths service needs it, and it costs 20 MB

    with _precision, decimal.localcontext():
        digits = mpmath.mp.dps
        try:
            yield
        finally:
            mpmath.mp.dps = digits


def _answer(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return str(value)
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
    # Read back at once: the dictionary may be a part of the object's state, which the next call changes.
    answer = json.loads(text)
    try:
        canonical_json(answer)
    except NotCanonical:
        return text
    return answer
