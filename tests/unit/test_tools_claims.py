"""Resources as templates over a call's arguments."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import pytest

from motet.chassis.errors import ConfigurationError
from motet.tools import Toolset


class Size(Enum):
    """A choice of words."""

    SMALL = "small"
    LARGE = "large"


def move(source: str, target: str, amount: float = 1.0, note: str = "", size: Size = Size.SMALL) -> None:
    """Takes what templates may and may not name."""


def maybe(source: str | None, number: int | str, parts: list[int], kind: Literal["a", 1]) -> None:
    """Takes what may be null, and what has two kinds."""


def own_names(tenant: str) -> None:
    """Has an argument with a name that every call has."""


def claims(function: Any = move, **options: Any) -> list[tuple[str, str]]:
    """The claims of a contract."""
    toolset = Toolset("shop")
    toolset.add(function, "pure", **options)
    return [(claim.template, claim.mode) for claim in toolset.tools[0].contract_fields().claims]


def fault(function: Any = move, **options: Any) -> str:
    """The message with which templates are refused."""
    with pytest.raises(ConfigurationError) as caught:
        claims(function, **options)
    return str(caught.value)


def test_templates_are_sorted_with_their_modes() -> None:
    """The order of writing them is no part of the contract."""
    one = claims(
        writes=("account:{target}", "account:{source}"), reads=("rates",), commutes=("audit:{tenant}/{domain}",)
    )
    assert one == [
        ("account:{source}", "WRITE"),
        ("account:{target}", "WRITE"),
        ("audit:{tenant}/{domain}", "COMMUTE"),
        ("rates", "READ"),
    ]
    assert one == claims(
        writes=("account:{source}", "account:{target}"), reads="rates", commutes="audit:{tenant}/{domain}"
    )


def test_wholes_and_operations() -> None:
    """A star stands at the end of a level or alone; an operation goes with what commutes."""
    declared = claims(writes=("account:*", "*"), reads="{tool}", commutes="sum", operation="charge")
    assert declared == [("*", "WRITE"), ("account:*", "WRITE"), ("sum", "COMMUTE"), ("{tool}", "READ")]
    tools = Toolset("t")
    tools.add(move, "pure", commutes="sum", operation="charge", reads="a")
    assert [one.operation for one in tools.tools[0].contract_fields().claims] == ["", "charge"]
    for template in ("account*", "*:a", "a:**", "a:*:b", "x:{source}*"):
        assert "a star where it means nothing" in fault(writes=template)
    assert "commutes names no resource" in fault(writes="a", operation="charge")
    assert "up to 64 letters" in fault(commutes="a", operation="two words")


def test_slots_by_name() -> None:
    """Names of calls in flight are templates like others, each with a number."""
    tools = Toolset("t")
    tools.add(move, "pure", at_once=4, at_once_per={"b:{target}": 2, "a": 1})
    contract = tools.tools[0].contract_fields()
    assert (contract.at_once, [(one.template, one.at_once) for one in contract.at_once_per]) == (
        4,
        [("a", 1), ("b:{target}", 2)],
    )
    assert "names no argument" in fault(at_once_per={"b:{nobody}": 1})
    assert "is not an integer from 1" in fault(at_once_per={"b": 0})
    assert "at_once -1 is not an integer from 0" in fault(at_once=-1)


def test_leases_have_a_scope_and_a_template() -> None:
    """The scope is written out: no argument may pick another one. Each is named, for leases have no wholes."""
    tools = Toolset("t")
    tools.add(move, "pure", leases=("s/b:{target}", "s/a", "s/a"), lease_seconds=9)
    contract = tools.tools[0].contract_fields()
    assert (contract.leases, contract.lease_seconds) == (("s/a", "s/b:{target}"), 9.0)
    for lease in ("a", "/a", "a/", "{source}/a"):
        assert "is no scope/resource such as 'shared/printer:{name}'" in fault(leases=lease)
    assert "has a star, and leases have no wholes" in fault(leases="s/a:*")
    assert "names no argument" in fault(leases="s/b:{nobody}")
    assert "lease_seconds 0 is not a number above 0" in fault(lease_seconds=0)


def test_an_argument_with_a_default_names_a_resource() -> None:
    """The schema publishes the default, so that the coordinator knows the name."""
    assert claims(writes="note:{note}:{size}") == [("note:{note}:{size}", "WRITE")]
    assert claims(maybe, writes="thing:{number}:{kind}") == [("thing:{number}:{kind}", "WRITE")]


@pytest.mark.parametrize(
    ("templates", "said"),
    [
        (
            ("account:{sorce}",),
            "the placeholder {sorce} in 'account:{sorce}' names no argument; the arguments are: source",
        ),
        (("account:{}",), "the placeholder {} in"),
        (("account:{source",), "the braces in 'account:{source' do not match"),
        (("account:source}",), "do not match"),
        (("account:{{source}}",), "do not match"),
        (("",), "has '', which is no resource name"),
        ((7,), "has 7, which is no resource name"),
        (("x" * 201,), "has 201 characters; the limit is 200"),
        (("a\nb",), "has characters that do not print"),
        (("amount:{amount}",), "can be number; only boolean, integer, string name a resource"),
        (("a", "a"), "the resource 'a' is declared twice, as WRITE and as WRITE"),
        (tuple(f"r{number}" for number in range(65)), "65 resources are declared; the limit is 64 a tool"),
    ],
)
def test_a_template_that_cannot_name_a_resource(templates: tuple[Any, ...], said: str) -> None:
    """The message names the template, what is wrong and what there is."""
    assert said in fault(writes=templates)


def test_a_resource_has_one_mode() -> None:
    """A write may read as well, so there is nothing that two modes could mean."""
    assert "as READ and as WRITE" in fault(reads="a", writes="a")


def test_what_may_be_null_or_many_names_nothing() -> None:
    """Equal values must mean the same resource, and null would be one resource for all."""
    assert "can be null" in fault(maybe, writes="x:{source}")
    assert "can be array" in fault(maybe, writes="x:{parts}")


def test_an_argument_may_not_hide_what_every_call_has() -> None:
    """`{tenant}` is the call's tenant; an argument of that name could pretend to be another one."""
    assert "rename the argument" in fault(own_names, writes="x:{tenant}")


def test_an_argument_that_may_be_absent_names_nothing() -> None:
    """A given schema without a default would leave a resource without a name."""
    schema = {"type": "object", "properties": {"source": {"type": "string"}}}

    def anything(**arguments: str) -> None:
        pass

    assert "may be absent and its schema has no default" in fault(
        anything, arguments_schema=schema, writes="x:{source}"
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/name"},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        {"enum": ["a", 1, True]},
        {"const": "a"},
        {"type": ["string", "integer"]},
    ],
)
def test_kinds_are_found_through_references_and_choices(schema: dict[str, Any]) -> None:
    """However a schema says that a value is a word or a whole number."""
    given = {
        "type": "object",
        "properties": {"source": schema},
        "required": ["source"],
        "additionalProperties": False,
        "$defs": {"name": {"type": "string"}},
    }

    def take(source: str) -> None:
        pass

    assert claims(take, arguments_schema=given, writes="x:{source}") == [("x:{source}", "WRITE")]


@pytest.mark.parametrize(
    "schema", [{}, True, {"$ref": "#/$defs/loop"}, {"$ref": "#/$defs/none"}, {"enum": [1, None]}, {"const": 1.5}]
)
def test_a_schema_that_does_not_say_its_kind_names_nothing(schema: Any) -> None:
    """Also where references lead nowhere or round in circles."""
    given = {
        "type": "object",
        "properties": {"source": schema},
        "required": ["source"],
        "additionalProperties": False,
        "$defs": {"loop": {"$ref": "#/$defs/loop"}, "none": {"type": "null"}},
    }

    def take(source: str) -> None:
        pass

    assert "name a resource" in fault(take, arguments_schema=given, writes="x:{source}")
