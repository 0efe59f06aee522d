"""Calling a tool as the host does: JSON in, JSON out, and one kind of error for what the contract does not allow."""

from __future__ import annotations

import asyncio
import functools
import math
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from motet.chassis.errors import ConfigurationError
from motet.tools import Context, EventLoopThread, Tool, ToolFailed, Toolset

CONTEXT = Context.for_testing(key="k" * 64, tenant="acme")


class Item(BaseModel):
    """A model, as argument and as result."""

    sku: str
    count: int = 1


@dataclass
class Point:
    """A dataclass, likewise."""

    x: int


class Options(TypedDict):
    """A TypedDict, likewise."""

    express: bool


@pytest.fixture
def loop() -> Iterator[EventLoopThread]:
    """An event loop as the host has one."""
    with EventLoopThread() as running:
        yield running


def tool(function: Any, **options: Any) -> Tool:
    """A function as a tool."""
    toolset = Toolset("shop")
    toolset.add(function, "pure", **options)
    return toolset.tools[0]


def fault(function: Any, arguments: str = "{}", loop: EventLoopThread | None = None, **options: Any) -> tuple[str, str]:
    """Code and message with which a call fails."""
    with pytest.raises(ToolFailed) as caught:
        tool(function, **options).run(arguments, CONTEXT, loop)
    return caught.value.code, caught.value.message


def takes(
    item: Item, point: Point, options: Options, day: date, kind: Literal["a", 1], number: float, flag: bool
) -> str:
    """Says what types it was given."""
    return " ".join(type(one).__name__ for one in (item, point, options, day, kind, number, flag))


GOOD = '{"item":{"sku":"a"},"point":{"x":1},"options":{"express":true},"day":"2026-01-31","kind":"a","number":1.5,"flag":true}'


def test_the_decorator_returns_the_function_unchanged() -> None:
    """So a tool is tested by calling it, and may be called by its neighbours."""
    toolset = Toolset("shop")

    def double(amount: int) -> int:
        return amount * 2

    assert toolset.tool(effect="pure")(double) is double
    assert toolset.tools[0].function is double
    assert double(2) == 4


def test_arguments_arrive_as_the_hints_say() -> None:
    """A model is a model, a date a date."""
    assert tool(takes).run(GOOD, CONTEXT) == '"Item Point dict date str float bool"'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"sku":"a"', '"sku":7', "item.sku: Input should be a valid string, not 7"),
        ('{"sku":"a"}', "{}", "item.sku: Field required"),
        ('"x":1', '"x":"1"', "point.x: Input should be a valid integer, not '1'"),
        ('"x":1', '"x":true', "point.x: Input should be a valid integer, not True"),
        ('"x":1', '"x":1.5', "point.x"),
        ('"express":true', '"express":1', "options.express"),
        ('"express":true', '"express":true,"late":1', "options.late: Extra inputs are not permitted"),
        ("2026-01-31", "2026-02-31", "day: Input should be a valid date"),
        ('"kind":"a"', '"kind":"b"', "kind: Input should be 'a' or 1, not 'b'"),
        ('"number":1.5', '"number":"1.5"', "number: Input should be a valid number, not '1.5'"),
        ('"flag":true', '"flag":"true"', "flag: Input should be a valid boolean, not 'true'"),
        ('"flag":true', '"flag":null', "flag: Input should be a valid boolean, not None"),
        ('"flag":true', '"flag":true,"more":0', "the arguments are: item, point, options, day, kind, number, flag"),
        (',"flag":true', "", "flag: Field required; the arguments are: item"),
        (GOOD, "[]", "arguments: Input should be an object, not []"),
        (GOOD, "{", "Invalid JSON"),
        (GOOD, "", "Invalid JSON"),
        ('"x":1', '"x":NaN', "point.x"),
    ],
)
def test_arguments_are_read_as_strictly_as_json_is(old: str, new: str, said: str) -> None:
    """Nothing is converted that JSON tells apart; the message names the place, the value and what was expected."""
    assert old in GOOD
    code, message = fault(takes, GOOD.replace(old, new))
    assert code == "INVALID_ARGUMENTS"
    assert said in message


def test_long_values_and_many_faults_are_cut() -> None:
    """A message is for people and for models."""

    def many(numbers: list[int]) -> int:
        return len(numbers)

    _, message = fault(many, '{"numbers":[' + ",".join(['"' + "x" * 500 + '"'] * 30) + "]}")
    assert "and 20 more" in message
    assert len(message) < 2_000


def test_defaults_are_fresh_in_each_call() -> None:
    """A list that a call changes is not the next call's default."""

    def grow(more: int, numbers: list[int] = []) -> list[int]:  # noqa: B006  the point of it
        numbers.append(more)
        return numbers

    growing = tool(grow)
    assert [growing.run('{"more":1}', CONTEXT), growing.run('{"more":2}', CONTEXT)] == ["[1]", "[2]"]


def test_call_goes_from_values_to_values() -> None:
    """`call` is `run` for tests: what the caller of a plan would read."""

    def buy(context: Context, item: Item) -> Item:
        return Item(sku=f"{context.tenant}/{item.sku}", count=item.count + 1)

    assert tool(buy).call({"item": {"sku": "a"}}, CONTEXT) == {"sku": "acme/a", "count": 2}
    with pytest.raises(ToolFailed) as caught:
        tool(buy).call({"item": math.nan}, CONTEXT)
    assert caught.value.code == "INVALID_ARGUMENTS"


def wrong_type() -> int:
    """A text instead of a number."""
    return "5"  # type: ignore[return-value]


def wrong_item() -> list[Item]:
    """A dictionary instead of a model."""
    return [{"sku": "a"}]  # type: ignore[list-item]


def wrong_field() -> Point:
    """A dataclass with a wrong field."""
    return Point("a")  # type: ignore[arg-type]


def missing_key() -> Options:
    """A TypedDict without its key."""
    return {}  # type: ignore[typeddict-item]


def wrong_word() -> Literal["a", "b"]:
    """A word that the type does not have."""
    return "c"  # type: ignore[return-value]


def beyond_limit() -> Annotated[int, Field(le=5)]:
    """A number beyond its own limit."""
    return 6


def no_result() -> None:
    """A value where none is promised."""
    return 5  # type: ignore[return-value]


def not_a_number() -> float:
    """No JSON number."""
    return math.nan


def too_large() -> int:
    """Beyond what every language reads."""
    return 2**53 + 1


def lone_surrogate() -> str:
    """No UTF-8."""
    return "\ud800"


def unknown_object() -> Any:
    """No JSON at all."""
    return object()


def too_deep() -> Any:
    """Deeper than the validator goes."""
    value: Any = 1
    for _ in range(2_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "function",
    [
        *(wrong_type, wrong_item, wrong_field, missing_key, wrong_word, beyond_limit, no_result),
        *(not_a_number, too_large, lone_surrogate, unknown_object, too_deep),
    ],
)
def test_a_result_that_breaks_the_contract_fails_the_call(function: Callable[[], Any]) -> None:
    """Readers may rely on the published result schema."""
    code, message = fault(function)
    assert code == "INVALID_RESULT"
    assert "the result" in message or "the tool's result" in message or "what it declares" in message


def test_a_result_is_canonical_json() -> None:
    """Equal results have equal bytes: sorted keys, `1` for `1.0`, text as it is."""

    def mixed() -> dict[str, Any]:
        return {"b": 1.0, "a": date(2026, 1, 31), "ü": [None, True]}

    assert tool(mixed).run("{}", CONTEXT) == '{"a":"2026-01-31","b":1,"ü":[null,true]}'


def test_a_given_result_schema_is_held() -> None:
    """The same check as for a derived one, with the place."""

    def count() -> Any:
        return {"n": "x"}

    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    code, message = fault(count, result_schema=schema)
    assert code == "INVALID_RESULT"
    assert "at /n" in message


@pytest.mark.parametrize("arguments", ["[]", "7", "{", "null", ""])
def test_given_arguments_are_an_object(arguments: str) -> None:
    """With a given schema the values arrive as JSON has them, but named."""

    def anything(**arguments: Any) -> int:
        return len(arguments)

    assert fault(anything, arguments, arguments_schema={"type": "object"})[0] == "INVALID_ARGUMENTS"
    assert tool(anything, arguments_schema={"type": "object"}).run('{"a":1,"b":{}}', CONTEXT) == "2"


def test_what_a_tool_raises_passes() -> None:
    """The host decides what an unexpected error means; a ToolFailed keeps its code."""

    def breaks() -> None:
        raise LookupError("no shelf 7")

    def refuses() -> None:
        raise ToolFailed("holds 10, not 25", code="INSUFFICIENT_FUNDS")

    with pytest.raises(LookupError, match="no shelf 7"):
        tool(breaks).run("{}", CONTEXT)
    assert fault(refuses) == ("INSUFFICIENT_FUNDS", "holds 10, not 25")


def test_a_failures_message_can_be_carried() -> None:
    """No record holds a lone surrogate, PostgreSQL no null character, and a message has a limit."""
    assert ToolFailed("a\0b\ud800c").message == "a\ufffdb?c"
    assert len(ToolFailed("x" * 5_000).message) == 4_000
    for code in ("", "lower", "A" * 65, "A-B", 7):
        with pytest.raises(ValueError, match="a word in capitals"):
            ToolFailed("why", code)  # type: ignore[arg-type]


def test_a_context_without_a_connection_says_who_gets_one() -> None:
    """Only transactional tools have a database connection."""
    with pytest.raises(ConfigurationError, match="only a tool declared with effect"):
        _ = CONTEXT.connection


# -- async ---------------------------------------------------------------------------------------------------------------------


async def later(context: Context, amount: int) -> int:
    """An async tool."""
    await asyncio.sleep(0)
    return amount + context.attempt


async def never() -> None:
    """Waits for what does not come."""
    await asyncio.Event().wait()


async def own_timeout() -> None:
    """An author's own limit, which is no limit of Motet's."""
    raise TimeoutError("the shop did not answer")


async def exits() -> None:
    """Ends its process, as code for a command line does."""
    sys.exit(3)


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plain decorator, which hides that the function is async."""

    @functools.wraps(function)
    def around(*positional: Any, **named: Any) -> Any:
        return function(*positional, **named)

    return around


class Awaited:
    """An object whose call is async."""

    async def __call__(self, amount: int) -> int:
        """An async call."""
        return amount


@pytest.mark.parametrize("function", [later, functools.partial(later), traced(later)])
def test_an_async_tool_runs_with_and_without_a_loop(function: Any, loop: EventLoopThread) -> None:
    """Also behind a partial or a plain decorator."""
    asynchronous = tool(function, name="later")
    assert asynchronous.run('{"amount":1}', CONTEXT, loop) == asynchronous.run('{"amount":1}', CONTEXT) == "2"
    assert tool(Awaited(), name="object").run('{"amount":1}', CONTEXT, loop) == "1"


def test_an_async_tool_is_stopped_at_its_limit(loop: EventLoopThread) -> None:
    """With the loop of the host, and without; the message names the limit, and the loop goes on."""
    expected = ("TIMED_OUT", "the tool took longer than its limit of 0.01 seconds")
    assert fault(never, timeout_seconds=0.01) == expected
    assert fault(never, loop=loop, timeout_seconds=0.01) == expected
    assert tool(later).run('{"amount":1}', CONTEXT, loop) == "2"


def test_a_timeout_of_the_authors_own_passes(loop: EventLoopThread) -> None:
    """It is the tool's error, not Motet's limit."""
    with pytest.raises(TimeoutError, match="the shop did not answer"):
        tool(own_timeout).run("{}", CONTEXT, loop)


def test_exiting_ends_the_call_and_not_the_service(loop: EventLoopThread) -> None:
    """`sys.exit` in a tool fails its call, sync or async; the shared loop still runs."""

    def stop() -> None:
        sys.exit("done")

    assert fault(stop)[0] == "EXITED"
    assert fault(exits, loop=loop) == ("EXITED", "the tool called sys.exit(3); a tool returns, or raises ToolFailed")
    assert tool(later).run('{"amount":1}', CONTEXT, loop) == "2"


def test_async_tools_share_one_loop_and_overlap(loop: EventLoopThread) -> None:
    """Two threads of a pool wait for two calls that need each other."""
    both = threading.Barrier(2)
    gate = asyncio.Event()

    async def first() -> str:
        await gate.wait()
        return threading.current_thread().name

    async def second() -> str:
        gate.set()
        return threading.current_thread().name

    def run(one: Tool) -> str:
        both.wait()
        return one.run("{}", CONTEXT, loop)

    with ThreadPoolExecutor(2) as pool:
        names = set(pool.map(run, [tool(first), tool(second)]))
    assert names == {'"motet-async-tools"'}


def test_a_closed_loop_takes_nothing() -> None:
    """Closing twice is fine; what comes later is refused and leaves no warning behind."""
    closed = EventLoopThread()
    closed.close()
    closed.close()
    with pytest.raises(RuntimeError):
        tool(later).run('{"amount":1}', CONTEXT, closed)
