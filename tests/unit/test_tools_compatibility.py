"""What a new contract may take the place of, what is refused, and the forms in which a contract is shown."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date
from typing import Annotated, Any, Literal

import fastavro
import pytest
from pydantic import BaseModel, Field

from motet.records import Meta
from motet.tools import Contract, Toolset
from motet.tools.avro_form import avro_of
from motet.tools.compatibility import change, changes, contract_of, known
from motet.tools.page import page
from motet.tools.published import changes_by, offered_by


class Line(BaseModel):
    """What is ordered."""

    sku: Annotated[str, Field(description="The article.")]
    count: int = 1


def shop(version: int = 1, **options: Any) -> Toolset:
    """A toolset with one tool."""
    tools = Toolset("shop")

    @tools.tool(effect="pure", version=version, **options)
    def order(
        lines: list[Line],
        speed: Literal["slow", "fast"] = "slow",
        by: date | None = None,
        notes: dict[str, str] | None = None,
        anything: Any = None,
    ) -> Line:
        """Orders | what is on the list."""
        del speed, by, notes, anything
        return lines[0]

    return tools


def contract(version: int = 1, **fields: Any) -> Contract:
    """The contract of its tool, with some fields changed."""
    (tool,) = shop().tools
    return replace(tool.contract_fields(), version=version, **fields)


def narrower() -> str:
    """The arguments' schema with an argument that nobody knew of and everybody needs."""
    schema = json.loads(contract().arguments_schema)
    schema["properties"]["account"] = {"type": "string"}
    schema["required"].append("account")
    return json.dumps(schema)


def test_what_is_published_and_equal_is_the_same() -> None:
    """Nothing is told of it."""
    (found,) = changes(known([contract()]), known([contract()]))
    assert (found.state, found.refused, found.breaks, found.notes) == ("same", None, (), ())


def test_a_published_version_with_other_content_is_refused_and_says_which_version_to_take() -> None:
    """The way out is the next number that is free."""
    published = known([contract(), contract(4)])
    found = change(contract(1, description="other"), published, {}, allowed=True)
    assert found.state == "changed"
    assert found.refused is not None
    assert "version=5" in found.refused
    assert found.notes == ("the description, which models read, is different",)


def test_a_version_below_the_newest_is_refused() -> None:
    """Nobody who names no version would ever get it."""
    found = change(contract(2), known([contract(1), contract(3)]), {}, allowed=True)
    assert found.refused is not None
    assert "version=4" in found.refused


def test_a_new_version_that_needs_more_is_refused_unless_its_author_says_that_it_breaks() -> None:
    """The reason names the argument, and three ways out."""
    published = known([contract()])
    now = known([contract(2, arguments_schema=narrower())])
    (refused,) = (one for one in changes(now, published) if one.version == 2)
    assert refused.breaks == ("argument /account is required and is new: give it a default",)
    assert refused.refused is not None
    assert "breaking=True" in refused.refused
    (allowed,) = (one for one in changes(now, published, [("shop.order", 2)]) if one.version == 2)
    assert allowed.refused is None
    assert allowed.breaks == refused.breaks


def test_a_result_may_say_less_than_before_and_not_more() -> None:
    """Who reads it knows the former schema."""
    old = contract(result_schema='{"type":["integer","null"]}')
    fewer = change(contract(2, result_schema='{"type":"integer"}'), known([old]), {}, allowed=False)
    more = change(contract(2, result_schema='{"type":["integer","null","string"]}'), known([old]), {}, allowed=False)
    assert fewer.refused is None
    assert more.refused is not None
    assert "string" in more.refused


def test_what_breaks_no_call_is_noted() -> None:
    """Effect, resources, limits and defaults of arguments are told beside."""
    schema = json.loads(contract().arguments_schema)
    schema["properties"]["speed"]["default"] = "fast"
    new = contract(2, effect="IRREVERSIBLE", attempts=1, arguments_schema=json.dumps(schema))
    found = change(new, known([contract()]), {}, allowed=False)
    assert found.refused is None
    told = "\n".join(found.notes)
    for part in ("attempts: 3 is 1 now", "another effect class", 'argument /speed: who leaves it out gets "fast" now'):
        assert part in told


def test_a_version_that_is_served_no_more_is_gone_and_another_toolsets_is_nobodys_news() -> None:
    """Only of the toolsets that the code has."""
    other = replace(contract(), name="bank.pay", toolset="bank")
    found = changes(known([contract(2)]), known([contract(1), other]))
    assert [(one.name, one.version, one.state) for one in found] == [
        ("shop.order", 1, "gone"),
        ("shop.order", 2, "new"),
    ]


def test_versions_of_one_toolset_are_compared_with_each_other_before_anything_is_published() -> None:
    """Two versions in one file: the second must be able to take the place of the first."""
    now = known([contract(), contract(2, arguments_schema=narrower())])
    assert [one.refused is None for one in changes(now, {})] == [True, False]


def test_the_author_says_breaking_where_the_tool_is_declared() -> None:
    """`breaking=True` beside the version, and nothing but a truth value."""
    published = known([contract(1, arguments_schema=narrower(), result_schema='{"type":"string"}')])
    assert [one.refused is None for one in changes_by(shop(2), published) if one.version == 2] == [False]
    assert [one.refused is None for one in changes_by(shop(2, breaking=True), published) if one.version == 2] == [True]
    with pytest.raises(Exception, match="breaking 'yes' is not True or False"):
        shop(2, breaking="yes")


def test_a_published_record_is_the_contract_that_was_published() -> None:
    """Same digest, there and back."""
    one = contract(3, at_once=4)
    assert contract_of(one.record(Meta("e", "c", "", "", "", 0, 0, None))).sha256 == one.sha256
    assert offered_by(shop())["shop.order", 1] == contract()


def test_the_avro_form_is_avro_and_carries_what_the_schema_takes() -> None:
    """Records, enums, maps and nulls for what may be left out; text for what Avro has no word for."""
    arguments = avro_of(contract())["arguments"]
    schema = fastavro.parse_schema(json.loads(json.dumps(arguments)))
    value = {
        "lines": [{"sku": "a", "count": 2}, {"sku": "b", "count": None}],
        "speed": "fast",
        "by": "2026-11-27",
        "notes": {"door": "back"},
        "anything": '{"canonical":"JSON"}',
    }
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    out.seek(0)
    assert fastavro.schemaless_reader(out, schema, None) == value
    assert arguments["namespace"] == "shop.order_v1"
    fields = {field["name"]: field for field in arguments["fields"]}
    members = {field["name"]: field for field in fields["lines"]["type"]["items"]["fields"]}
    assert members["sku"] == {"name": "sku", "doc": "The article.", "type": "string"}
    assert {"type": "string", "motet.json": True} in fields["anything"]["type"]


def test_the_page_tells_a_reader_what_the_signature_says() -> None:
    """Types, what may be left out, and the description, whose bars end no table."""
    told = page(contract())
    assert "Orders | what is on the list." in told
    assert '| `speed` | one of "slow", "fast" | "slow" |  |' in told
    assert "| `lines` | array of object | required |  |" in told
    assert "string (format date) or null" in told


def test_a_type_that_refers_to_itself_is_written_once() -> None:
    """Within itself it is text: a form has an end, however many members lead back."""
    tree = {
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {name: {"$ref": "#/$defs/Node"} for name in "abcdef"},
                "additionalProperties": False,
            }
        },
        "$ref": "#/$defs/Node",
    }
    form = avro_of(contract(result_schema=json.dumps(tree)))["result"]
    assert len(json.dumps(form)) < 2_000
    fastavro.parse_schema(form)
