"""What an author says of a tool beside its types: options, compensation and reconcile, checked, and in the contract."""

# ruff: noqa: ARG001  these functions are read, not run
from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from motet.chassis.errors import ConfigurationError
from motet.records import Compensation as Record
from motet.records import Meta, ToolContract
from motet.tools import (
    Breaker,
    Compensation,
    Context,
    Contract,
    DidNotHappen,
    EventLoopThread,
    Happened,
    Tool,
    ToolFailed,
    Toolset,
    TryAgain,
    argument,
    load,
    result,
)
from motet.tools.contract import LATER
from motet.tools.declaration import Declaration

SCHEMA: Final = Path(__file__).parents[2] / "schemas" / "avro" / "motet.contracts.ToolContract.v4.avsc"
META: Final = Meta("e", "c", "", "", "", 0, 0, None)
# Of `pay` below, published by the version of Motet that had none of these options.
PUBLISHED: Final = {
    "pure": "1e515fbb8edc8f1c402fe4c998eed3ed322a1e4c9c65ee75302de98af49d2af9",
    "transactional": "132686960df002b0546d59a03d444d94a40336fdc8e0cc9d3465e0397a26c556",
    "idempotent": "427fcef782d0bd918d35e2cbf9c5244ce7f7191c859ae15b2791faa37cadddbd",
}


def pay(context: Context, source: str, amount: int = 1) -> int:
    """Pays an amount."""
    return amount


def tool(function: Callable[..., Any] = pay, effect: Any = "idempotent", **options: Any) -> Tool:
    """A function as a tool."""
    toolset = Toolset("shop")
    toolset.add(function, effect, **options)
    return toolset.tools[0]


def contract(**options: Any) -> Contract:
    """The contract of `pay`."""
    return tool(**options).contract_fields()


def fault(effect: Any = "idempotent", **options: Any) -> str:
    """The message with which `pay` is refused."""
    with pytest.raises(ConfigurationError) as caught:
        tool(pay, effect, **options)
    assert str(caught.value).startswith("tool shop.pay")
    return str(caught.value)


@pytest.mark.parametrize("effect", PUBLISHED)
def test_what_was_published_before_keeps_its_digest(effect: Any) -> None:
    """Options at their defaults are no content: nobody has to raise a version because Motet learnt something."""
    same = {"name": f"pay_{effect}", "version": 2, "timeout_seconds": 5, "writes": "account:{source}", "reads": "rates"}
    assert tool(pay, effect, **same).contract_fields().sha256 == PUBLISHED[effect]


def as_json(value: object) -> object:
    """A tuple as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def test_the_defaults_are_the_schemas() -> None:
    """Of the schema, of the contract's class, of the record's, and of what an author leaves out."""
    fields = json.loads(SCHEMA.read_text())["fields"]
    defaults = {field["name"]: field["default"] for field in fields if "default" in field}
    assert defaults == {name: as_json(one) for name, one in LATER.items()}
    record = contract().record(META).to_avro()
    assert {name: as_json(record[name]) for name in defaults} == defaults
    assert set(contract().fields()).isdisjoint(defaults)


GIVEN: Final[list[tuple[dict[str, Any], dict[str, Any]]]] = [
    ({"attempts": 1}, {"attempts": 1}),
    ({"backoff_seconds": 1}, {"backoff_seconds": 1.0}),
    ({"backoff_limit_seconds": 60}, {"backoff_limit_seconds": 60.0}),
    ({"deadline_seconds": 90}, {"deadline_seconds": 90.0}),
    ({"heartbeat_seconds": 5}, {"heartbeat_seconds": 5.0}),
    ({"window_seconds": 60}, {"window_seconds": 60.0}),
    ({"approval": True}, {"approval": True}),
    ({"approval_seconds": 60}, {"approval_seconds": 60.0}),
    ({"cost": 0.1}, {"cost_micros": 100_000}),
    ({"cost": "0.000001"}, {"cost_micros": 1}),
    ({"cost": Decimal("1.50")}, {"cost_micros": 1_500_000}),
    ({"tokens": 500}, {"tokens": 500}),
    ({"at_once": 4}, {"at_once": 4}),
    ({"at_once_per": {"till:{source}": 2}}, {"at_once_per": [{"template": "till:{source}", "at_once": 2}]}),
    ({"leases": "shared/till:{source}"}, {"leases": ["shared/till:{source}"]}),
    ({"lease_seconds": 5}, {"lease_seconds": 5.0}),
    ({"breaker": Breaker(reset_seconds=60)}, {"breaker_failures": 5, "breaker_reset_seconds": 60.0}),
    ({"breaker": Breaker()}, {"breaker_failures": 5}),
    (
        {"compensation": Compensation("refund", account=argument("source"), version=2)},
        {
            "compensation": {
                "tool": "shop.refund",
                "contract_version": 2,
                "arguments": '{"account":{"$argument":"source"}}',
            }
        },
    ),
]


@pytest.mark.parametrize(("options", "content"), GIVEN)
def test_what_is_said_is_in_the_contract(options: dict[str, Any], content: dict[str, Any]) -> None:
    """In the digest exactly what differs from a default, in the record everything."""
    plain, said = contract(), contract(**options)
    assert said.fields() == {**plain.fields(), **content}
    assert said.sha256 != plain.sha256
    record = said.record(META)
    assert ToolContract.from_avro(record.to_avro()) == record
    written = {name: as_json(value) for name, value in record.to_avro().items()}
    before = {name: as_json(value) for name, value in plain.record(META).to_avro().items()}
    assert written == {**before, **content, "sha256": said.sha256}


def test_what_only_this_process_needs_is_not_in_the_contract() -> None:
    """Which errors are tried again, and how to ask, may change without a new version."""
    assert contract(retry_on=(OSError,)).sha256 == contract().sha256
    reconcilable = tool(pay, "reconcilable", reconcile=lambda **_: DidNotHappen()).contract_fields()
    assert reconcilable.sha256 == tool(pay, "reconcilable", reconcile=tell).contract_fields().sha256


def tell(source: str, amount: int) -> Happened:
    """Another reconcile function."""
    return Happened(amount)


REFUSED: Final[list[tuple[dict[str, Any], str]]] = [
    *(({"attempts": one}, f"attempts {one!r} is not an integer from 1 to 100") for one in (0, 101, 1.5, True, None)),
    *(
        ({"tokens": one}, f"tokens {one!r} is not an integer from 0 to 9007199254740992")
        for one in (-1, 0.5, 2**53 + 1)
    ),
    *(
        ({name: one}, f"{name} {one!r} is not a number above 0 and up to 2592000")
        for name in (
            "backoff_seconds",
            "backoff_limit_seconds",
            "deadline_seconds",
            "window_seconds",
            "approval_seconds",
        )
        for one in (0, 2_592_001, math.nan, "1", True)
    ),
    ({"window_seconds": None}, "window_seconds None is not a number above 0"),
    *(
        ({"heartbeat_seconds": one}, f"heartbeat_seconds {one!r} is not a number above 0 and up to 3600")
        for one in (0, 3601)
    ),
    ({"heartbeat_seconds": 31}, "heartbeat_seconds 31 is beyond timeout_seconds 30.0, so it would never count"),
    ({"backoff_seconds": 31}, "backoff_seconds 31 is beyond backoff_limit_seconds 30.0, so it would never count"),
    *(({"cost": one}, f"cost {one!r} is not a number from 0 to 9007199255") for one in (-1, "x", math.nan, True, None)),
    ({"cost": "0.0000001"}, "cost '0.0000001' is no multiple of a millionth (0.000001), in which budgets count"),
    ({"approval": 1}, "approval 1 is not True or False"),
    ({"breaker": 5}, "breaker 5 is not a Breaker(failures=…, reset_seconds=…)"),
    ({"breaker": Breaker(0)}, "breaker.failures 0 is not an integer from 1 to 2147483647"),
    ({"breaker": Breaker(5, 0)}, "breaker.reset_seconds 0 is not a number above 0"),
    ({"retry_on": OSError}, "is not a tuple of exception classes, such as (ConnectionError,)"),
    ({"retry_on": ("OSError",)}, "is not a tuple of exception classes"),
    ({"retry_on": (KeyboardInterrupt,)}, "is not a tuple of exception classes"),
    ({"compensation": "refund"}, """compensation 'refund' is not a Compensation("tool", name=argument("name"))"""),
    (
        {"retries": 3},
        "there is no option retries; there are approval, approval_seconds, arguments_schema, at_once, at_once_per, attempts",
    ),
]


@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_what_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    """Where it is written; the message shows the value and what is allowed."""
    assert said in fault(**options)


def test_each_option_is_declared_once() -> None:
    """The TypedDict that authors' code is checked against has exactly the declaration's fields."""
    fields = sorted(set(Declaration.__dataclass_fields__) - {"where", "effect"})
    assert fault(nothing=1).endswith(f"there is no option nothing; there are {', '.join(fields)}")


# -- compensation --------------------------------------------------------------------------------------------------------------


def test_a_compensations_arguments_are_a_template() -> None:
    """JSON, in which arguments and results stand anywhere; the tool is of the same toolset unless it says another."""
    how = Compensation(
        "bank.refund", tool="x", parts=[argument("source"), {"entry": result("/entry/0")}], all=result(), pair=(1, None)
    )
    record = contract(compensation=how).compensation
    assert record == Record(
        "bank.refund",
        None,
        '{"all":{"$result":""},"pair":[1,null],"parts":[{"$argument":"source"},{"entry":{"$result":"/entry/0"}}],"tool":"x"}',
    )
    # Not what the coordinator takes for a reference.
    literal = {"$argument": 7, "more": {"$argument": "none", "and": 1}}
    assert contract(compensation=Compensation("refund", literal=literal)).compensation is not None


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            Compensation("refund", x=argument("target")),
            "the argument 'target', which the tool does not have; it has source",
        ),
        (
            Compensation("refund", x=[{"y": ({"$argument": "z"},)}]),
            "takes the argument 'z', which the tool does not have",
        ),
        (Compensation("refund", x=result("id")), "takes the result at 'id', which is no JSON Pointer (RFC 6901)"),
        (Compensation("refund", x=result("/a~2")), "takes the result at '/a~2', which is no JSON Pointer"),
        (Compensation("refund", x=math.nan), "the arguments of its compensation are no JSON"),
        (Compensation("refund", x=object()), "the arguments of its compensation are no JSON"),
        (Compensation("re-fund"), "its compensation names 're-fund'; give a function of the same toolset"),
        (Compensation("a.b.c"), "its compensation names 'a.b.c'"),
        (Compensation(7), "its compensation names 7"),  # type: ignore[arg-type]
        (Compensation("refund", version=0), "the version 0 of its compensation is not an integer from 1 to"),
        (Compensation("refund", version=True), "the version True of its compensation is not an integer"),
    ],
)
def test_a_compensation_that_cannot_be_is_refused(how: Compensation, said: str) -> None:
    """Where the tool is declared, not in the middle of a saga."""
    assert said in fault(compensation=how)


def refund(account: str, entry: int = 0) -> None:
    """Undoes a payment."""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (Compensation("refund", account="x"), None),
        (Compensation("refund", 1, account="x", entry=1), None),
        (Compensation("shop.refund", account="x"), None),
        (Compensation("other.refund"), None),
        (
            Compensation("refnud", account="x"),
            "undone by shop.refnud, which this toolset does not have; it has shop.pay version",
        ),
        (
            Compensation("refund", 3, account="x"),
            "it is undone by shop.refund version 3, which this toolset does not have",
        ),
        (Compensation("refund", entry=1), "it is undone by shop.refund, and it needs account, which is not given"),
        (Compensation("refund", account="x", why=1), "and it does not take why; it takes account, entry"),
    ],
)
def test_a_toolset_can_undo_what_it_says(how: Compensation, said: str | None, tmp_path: Path) -> None:
    """Seen once all tools are there, when the toolset is loaded; other toolsets are other services' code."""
    toolset = Toolset("shop")
    toolset.add(pay, "idempotent", compensation=how)
    toolset.add(refund, "idempotent")
    if said is None:
        toolset.check()
        return
    with pytest.raises(ConfigurationError) as caught:
        toolset.check()
    assert said in str(caught.value)


def test_loading_checks_a_toolset(tmp_path: Path) -> None:
    """A service with a saga that could never go back does not start."""
    path = tmp_path / "motettest_saga.py"
    path.write_text(
        "from motet.tools import Compensation, Toolset\n"
        "tools = Toolset('saga')\n"
        "@tools.tool('pure', compensation=Compensation('nothing'))\n"
        "def step() -> None: ...\n"
    )
    with pytest.raises(ConfigurationError, match=r"tool saga\.step: it is undone by saga\.nothing"):
        load(str(path))


# -- reconcile -----------------------------------------------------------------------------------------------------------------


def found(context: Context, source: str, amount: int) -> Happened | DidNotHappen | None:
    """Knows of two accounts, and that another one cannot be asked about."""
    if source == "late":
        raise TryAgain("not yet", "LATER")
    known: dict[str, Happened | DidNotHappen] = {"a": Happened(f"{context.key}/{amount}"), "b": DidNotHappen()}
    return known.get(source)


async def found_later(source: str, amount: int) -> Happened:
    """Async, and without a context."""
    await asyncio.sleep(0)
    return Happened(f"{source}/{amount}")


def send(source: str, amount: int = 3) -> str:
    """Has no context, unlike the function that is asked."""
    return f"{source}/{amount}"


def test_a_reconcilable_tool_is_asked() -> None:
    """With the call's arguments and defaults, with a context if it wants one; an async function as well."""
    asked = tool(send, "reconcilable", reconcile=found)
    context = Context.for_testing(key="k")
    assert asked.reconcile('{"source":"a"}', context) == '"k/3"'
    assert asked.reconcile('{"source":"b"}', context) is None
    with pytest.raises(TryAgain, match="not yet"):
        asked.reconcile('{"source":"late"}', context)
    with pytest.raises(
        ToolFailed, match=r"reconcile of shop\.send returned NoneType, neither Happened\(result\)"
    ) as caught:
        asked.reconcile('{"source":"c"}', context)
    assert caught.value.code == "INVALID_RESULT"
    later = tool(send, "reconcilable", reconcile=found_later)
    with EventLoopThread() as loop:
        assert later.reconcile('{"source":"a"}', context) == later.reconcile('{"source":"a"}', context, loop) == '"a/3"'


def test_what_happened_has_the_tools_result() -> None:
    """A finding that breaks the result's schema is no finding."""
    with pytest.raises(ToolFailed, match="did not return what it declares") as caught:
        tool(pay, "reconcilable", reconcile=lambda **_: Happened("five")).reconcile(
            '{"source":"a"}', Context.for_testing()
        )
    assert caught.value.code == "INVALID_RESULT"


def test_other_tools_are_not_asked() -> None:
    """Asking one is a defect of the host's."""
    with pytest.raises(
        ConfigurationError, match=r"shop\.pay has no reconcile function; only a reconcilable tool has one"
    ):
        tool().reconcile('{"source":"a"}', Context.for_testing())


def short(source: str) -> None:
    """Lacks a parameter."""


def long(source: str, amount: int, more: int) -> None:
    """Has one that nobody fills."""


def optional(source: str, amount: int, more: int = 0) -> None:
    """Has one that nobody needs to fill."""


def partly(source: str, **others: Any) -> None:
    """Takes the rest as it comes."""


def listed(*amounts: int) -> None:
    """Takes arguments without names."""


@pytest.mark.parametrize(
    ("reconcile", "said"),
    [
        (short, "its reconcile function does not take amount; it has the tool's parameters, or **kwargs"),
        (long, "its reconcile function needs more, which the tool does not have"),
        (listed, "its reconcile function takes *amounts"),
        (7, "its reconcile function is 7, which is no function"),
        (Happened, "which is no function"),
    ],
)
def test_a_reconcile_function_has_the_tools_parameters(reconcile: Any, said: str) -> None:
    """Else it would fail when it is needed most."""
    assert said in fault("reconcilable", reconcile=reconcile)


def test_a_reconcile_function_may_have_more() -> None:
    """Parameters with defaults, or `**kwargs`; a tool that takes anything needs one that does."""
    tool(pay, "reconcilable", reconcile=optional)
    tool(pay, "reconcilable", reconcile=partly)
    schema = {"type": "object"}
    tool(anything, "reconcilable", reconcile=anything, arguments_schema=schema)
    with pytest.raises(ConfigurationError, match=r"its reconcile function does not take \*\*kwargs"):
        tool(anything, "reconcilable", reconcile=lambda: None, arguments_schema=schema)


def anything(**arguments: Any) -> None:
    """Takes whatever its schema lets through."""
