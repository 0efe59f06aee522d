"""What a tool's author may not declare, each with a message that names the value and the limit."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import Field

from motet.chassis.errors import ConfigurationError
from motet.tools import Context, Toolset


class TooOld(TypedDict):
    """A TypedDict of Python's own, which pydantic cannot read before Python 3.12."""

    amount: int


class Opaque:
    """A class that no schema describes."""


def works(amount: int) -> int:
    """A function that is a tool."""
    return amount


def fault(function: Any, effect: Any = "pure", **options: Any) -> str:
    """The message with which a tool is refused."""
    toolset = Toolset("shop")
    with pytest.raises(ConfigurationError) as caught:
        toolset.add(function, effect, **options)
    assert toolset.tools == ()
    return str(caught.value)


@pytest.mark.parametrize("name", ["", "Shop", "1shop", "shop_", "a" * 41, "a b", 7, None])
def test_a_toolset_has_a_plain_name(name: Any) -> None:
    """A name that is no lower-case word of 40 characters is refused and shown."""
    with pytest.raises(ConfigurationError) as caught:
        Toolset(name)
    assert repr(name) in str(caught.value)
    assert "39 lower-case letters, digits or hyphens" in str(caught.value)


@pytest.mark.parametrize("schema", ["", "  ", 7])
def test_a_toolsets_schema_is_sql(schema: Any) -> None:
    """Empty DDL is a mistake, not the absence of tables."""
    with pytest.raises(ConfigurationError, match="leave it out if there are no tables"):
        Toolset("shop", schema=schema)


@pytest.mark.parametrize("name", ["", "1x", "a-b", "a" * 65, "a.b", 7])
def test_a_tool_has_a_plain_name(name: Any) -> None:
    """Names are what every model's interface accepts."""
    message = fault(works, name=name)
    assert repr(name) in message
    assert "63 letters, digits or underscores" in message


def test_a_lambda_needs_a_name() -> None:
    """`<lambda>` is no name; the message says how to give one."""
    assert "name=..." in fault(lambda: None)


@pytest.mark.parametrize("thing", [7, "works", Opaque])
def test_only_functions_are_tools(thing: Any) -> None:
    """A class or a value is refused."""
    assert "is no function" in fault(thing, name="thing")


@pytest.mark.parametrize("version", [0, -1, 2**31, 1.5, "1", True, None])
def test_a_version_is_a_positive_avro_int(version: Any) -> None:
    """The message shows the value and the limit."""
    message = fault(works, version=version)
    assert f"version {version!r} is not an integer from 1 to {2**31 - 1}" in message


@pytest.mark.parametrize("seconds", [0, -1, 3600.5, float("nan"), float("inf"), "30", True, None])
def test_a_timeout_is_within_an_hour(seconds: Any) -> None:
    """The message shows the value and the limit."""
    assert f"timeout_seconds {seconds!r} is not a number above 0 and up to 3600" in fault(
        works, timeout_seconds=seconds
    )


@pytest.mark.parametrize("effect", ["", "PURE", "write", None, 7])
def test_an_effect_is_one_of_five(effect: Any) -> None:
    """An unknown effect is refused with those that there are."""
    assert f"effect {effect!r} is none of pure, transactional, idempotent, reconcilable, irreversible" in fault(
        works, effect
    )


def test_a_reconcilable_tool_can_be_asked_and_no_other() -> None:
    """Without a function to ask, nobody would ever know; with one, another class would never use it."""
    assert "reconcile belongs to effect 'reconcilable'" in fault(works, "reconcilable")
    assert "reconcile belongs to effect 'reconcilable'" in fault(works, "irreversible", reconcile=works)
    toolset = Toolset("shop")
    toolset.add(works, "reconcilable", reconcile=works)
    toolset.add(works, "irreversible", name="other")
    assert [tool.effect for tool in toolset.tools] == ["IRREVERSIBLE", "RECONCILABLE"]


def test_a_decorator_without_its_effect_says_what_is_missing() -> None:
    """`@tools.tool` without parentheses is the commonest slip."""
    toolset = Toolset("shop")
    with pytest.raises(ConfigurationError, match=r'write @tools\.tool\(effect="pure"\)'):
        toolset.tool(works)  # type: ignore[arg-type]


def test_a_version_is_declared_once() -> None:
    """The same name and version twice is refused; another version is another tool."""
    toolset = Toolset("shop")
    toolset.add(works, "pure")
    toolset.add(works, "pure", version=2)
    with pytest.raises(ConfigurationError, match=r"tool shop\.works: version 2 exists already"):
        toolset.add(works, "pure", version=2)
    assert [(tool.name, tool.version) for tool in toolset.tools] == [("shop.works", 1), ("shop.works", 2)]


def no_hint(amount) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """An argument without a type."""
    return int(amount)


def no_return(amount: int):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """A result without a type."""
    return amount


def positions(*amounts: int) -> int:
    """Arguments without names."""
    return sum(amounts)


def anything(**amounts: int) -> int:
    """Arguments of any name."""
    return sum(amounts.values())


def positional_only(amount: int, /) -> int:
    """An argument that cannot be given by name."""
    return amount


def late_context(amount: int, context: Context) -> int:
    """A context in the wrong place."""
    return amount + context.attempt


def maybe_context(context: Context | None, amount: int) -> int:
    """A context that may be none."""
    return amount if context is None else 0


def field_as_default(amount: int = Field(default=3)) -> int:
    """A default that a plain call would receive as it stands."""
    return amount


def wrong_default(amount: int = "three") -> int:  # type: ignore[assignment]
    """A default of another type."""
    return amount


def none_default(amount: int = None) -> int:  # type: ignore[assignment]  # noqa: RUF013
    """The commonest wrong default."""
    return amount


def limit_default(amount: Annotated[int, Field(le=5)] = 9) -> int:
    """A default beyond its own limit."""
    return amount


def unresolvable(amount: Missing) -> int:  # type: ignore[name-defined]  # noqa: F821
    """A type that is nowhere."""
    return int(amount)


def opaque(thing: Opaque) -> int:
    """A type without a schema."""
    return id(thing)


def opaque_result() -> Opaque:
    """A result without a schema."""
    return Opaque()


def callback(thing: Callable[[], int]) -> int:
    """A function is no JSON."""
    return thing()


def old_typed_dict(thing: TooOld) -> int:
    """Python's own TypedDict as an argument."""
    return thing["amount"]


def old_typed_dict_result() -> list[TooOld]:
    """Python's own TypedDict within a result."""
    return []


def set_result() -> dict[str, set[str]]:
    """A result whose order nobody decides."""
    return {}


def generator() -> Iterator[int]:
    """Yields."""
    yield 1


async def async_generator() -> AsyncIterator[int]:
    """Yields, later."""
    yield 1


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_hint, "the argument 'amount' has no type hint"),
        (no_return, "has no return type; annotate it, with `-> None` if it returns nothing"),
        (positions, "takes *amounts; arguments have names: take a list"),
        (anything, "takes **amounts, whose names a contract cannot know: name each argument, or give arguments_schema"),
        (positional_only, "the argument 'amount' is positional-only; arguments have names: remove the `/`"),
        (late_context, "'context' is a Context; it must be the first parameter, annotated `Context` alone"),
        (maybe_context, "'context' is a Context; it must be the first parameter, annotated `Context` alone"),
        (field_as_default, "`amount: Annotated[type, Field(...)] = default`"),
        (wrong_default, "the argument 'amount' has the default 'three', which is not of its type"),
        (none_default, "the argument 'amount' has the default None, which is not of its type"),
        (limit_default, "the argument 'amount' has the default 9, which is not of its type: Input should be less than"),
        (unresolvable, "name 'Missing' is not defined"),
        (opaque, "the argument 'thing' has the type Opaque, which no JSON Schema describes"),
        (opaque_result, "its result has the type Opaque, which no JSON Schema describes"),
        (callback, "the argument 'thing' has the type"),
        (old_typed_dict, "the argument 'thing' is or holds a typing.TypedDict"),
        (old_typed_dict, "write `from typing_extensions import TypedDict`"),
        (old_typed_dict_result, "its result is or holds a typing.TypedDict"),
        (set_result, "return a sorted list"),
        (generator, "is a generator; a tool returns one result"),
        (async_generator, "is a generator; a tool returns one result"),
    ],
)
def test_a_function_that_no_contract_describes(function: Any, said: str) -> None:
    """The message names the tool, what is wrong with it and what to write."""
    message = fault(function)
    assert said in message
    assert f"shop.{function.__name__}" in message


def test_a_docstring_has_a_limit() -> None:
    """A description goes to every model that may call the tool."""

    def talkative() -> None:
        pass

    talkative.__doc__ = "x" * 10_001
    assert "10001 characters; the limit is 10000" in fault(talkative)


def test_a_docstring_that_cannot_be_published_is_refused_at_once() -> None:
    """And not when the service publishes its contracts."""

    def broken() -> None:
        pass

    broken.__doc__ = "\ud800"
    assert "its docstring cannot be published" in fault(broken)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({}, 'arguments_schema must say "type": "object"; it says None'),
        ({"type": "array"}, "it says 'array'"),
        ({"type": "object", "properties": 7}, "is not a JSON Schema (2020-12)"),
        ({"type": "object", "properties": {}, "additionalProperties": False}, "needs amount, which arguments_schema"),
        (
            {"type": "object", "properties": {"amount": {}, "other": {}}, "required": ["amount"]},
            "does not take other, which arguments_schema lets through",
        ),
        ({"type": "object", "properties": {"amount": {}}, "required": ["amount"]}, '"additionalProperties": false'),
        ({"type": "object", "title": "\ud800"}, "no canonical JSON"),
        ({"type": "object", "title": "x" * 100_001}, "the limit is 100000"),
        ({"type": "object", "properties": {"amount": {"$ref": "http://127.0.0.1:9/x"}}}, "http://127.0.0.1:9/x"),
        ({"type": "object", "properties": {"amount": {"$ref": "file:///etc/passwd"}}}, "put what it needs under $defs"),
    ],
)
def test_a_given_schema_fits_its_function(schema: dict[str, Any], said: str) -> None:
    """What the schema lets through must not fail for the function's parameters, and a schema says everything itself."""
    assert said in fault(works, arguments_schema=schema)


def test_a_given_result_schema_is_a_schema() -> None:
    """And refers to nothing elsewhere."""
    assert "result_schema is not a JSON Schema" in fault(works, result_schema={"type": "nothing"})
    assert "http://127.0.0.1:9/x" in fault(works, result_schema={"$ref": "http://127.0.0.1:9/x"})


def test_a_given_schema_may_refer_to_its_own_parts() -> None:
    """`$defs` stay usable, and `**kwargs` takes whatever the schema lets through."""
    toolset = Toolset("shop")
    schema = {
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/x"}, "y": True},
        "$defs": {"x": {"type": "integer"}},
    }
    toolset.add(anything, "pure", arguments_schema=schema, result_schema={"type": "integer"})
    tool = toolset.tools[0]
    assert json.loads(tool.contract_fields().arguments_schema) == schema
    assert tool.call({"x": 1, "y": 2}, Context.for_testing()) == 3


def test_a_partial_is_described_by_its_function() -> None:
    """`functools.partial` has a docstring of its own, which tells nobody anything."""
    toolset = Toolset("shop")
    toolset.add(functools.partial(works, amount=7), "pure", name="seven")
    tool = toolset.tools[0]
    assert tool.contract_fields().description == "A function that is a tool."
    assert tool.call({}, Context.for_testing()) == 7
