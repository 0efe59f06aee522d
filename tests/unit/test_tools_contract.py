"""What a contract says is derived from the function, the same in every process."""

# ruff: noqa: ARG001  these functions are read, not run
from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired, Optional

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from motet.chassis.canonical import canonical_json, sha256_text
from motet.records import Meta, ToolContract
from motet.tools import Context, Contract, Toolset
from motet.tools.contract import LATER

PROGRAM = """
import sys
from motet.tools import load
for reference in sys.argv[1:]:
    for tool in load(reference).tools:
        print(tool.name, tool.contract_fields().sha256)
"""


class Item(BaseModel):
    """Something to buy."""

    sku: str
    count: int = 1


@dataclass
class Address:
    """Where it goes."""

    street: str
    lines: list[str] = field(default_factory=list)


class Options(TypedDict):
    """How it goes."""

    express: bool
    note: NotRequired[str]


class Colour(Enum):
    """A choice."""

    RED = "red"
    BLUE = "blue"


def order(
    context: Context,
    item: Item,
    address: Address,
    options: Options,
    kind: Literal["gift", "own"],
    voucher: Optional[str],  # noqa: UP045  authors write it
    day: date,
    count: Annotated[int, Field(ge=1, le=9, description="how many")] = 1,
    colours: frozenset[Literal["red", "blue", "green"]] = frozenset({"red", "blue", "green"}),
    colour: Colour = Colour.RED,
    schema: str = "x",
    model_config: int | None = None,
) -> Item:
    """Orders an item.

    More about it.
    """
    return item


def contract_of(function: Any, **options: Any) -> Contract:
    """The contract of a function."""
    toolset = Toolset("shop")
    toolset.add(function, "pure", **options)
    return toolset.tools[0].contract_fields()


def test_the_arguments_schema_follows_the_type_hints() -> None:
    """Models, dataclasses, TypedDicts, words, null, dates, limits, defaults and awkward names; no Context."""
    schema = json.loads(contract_of(order).arguments_schema)
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["item", "address", "options", "kind", "voucher", "day"]
    assert schema["properties"] == {
        "item": {"$ref": "#/$defs/Item"},
        "address": {"$ref": "#/$defs/Address"},
        "options": {"$ref": "#/$defs/Options"},
        "kind": {"enum": ["gift", "own"], "type": "string"},
        "voucher": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "day": {"format": "date", "type": "string"},
        "count": {"default": 1, "description": "how many", "maximum": 9, "minimum": 1, "type": "integer"},
        "colours": {
            "default": ["blue", "green", "red"],
            "items": {"enum": ["red", "blue", "green"], "type": "string"},
            "type": "array",
            "uniqueItems": True,
        },
        "colour": {"$ref": "#/$defs/Colour", "default": "red"},
        "schema": {"default": "x", "type": "string"},
        "model_config": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
    }
    assert schema["$defs"]["Options"]["required"] == ["express"]
    assert schema["$defs"]["Address"]["required"] == ["street"]
    assert schema["$defs"]["Item"]["properties"]["count"] == {"default": 1, "type": "integer"}


def test_the_result_schema_follows_the_return_type() -> None:
    """As the result is written: a date is text."""

    def when() -> list[datetime | None]:
        return []

    assert json.loads(contract_of(when).result_schema) == {
        "items": {"anyOf": [{"format": "date-time", "type": "string"}, {"type": "null"}]},
        "type": "array",
    }
    assert json.loads(contract_of(order).result_schema)["properties"]["sku"] == {"type": "string"}


def test_the_rest_of_the_contract_is_what_was_declared() -> None:
    """Name, version, docstring, effect, timeout; the digest is over exactly the published fields."""
    toolset = Toolset("shop")
    toolset.add(order, "idempotent", version=3, name="buy", timeout_seconds=5, writes="item:{day}")
    contract = toolset.tools[0].contract_fields()
    assert (contract.name, contract.version, contract.toolset, contract.effect, contract.timeout_seconds) == (
        *("shop.buy", 3, "shop"),
        *("IDEMPOTENT", 5.0),
    )
    assert contract.description == "Orders an item.\n\nMore about it."
    record = contract.record(Meta("e", "c", "", "", "", 0, 0, None))
    assert ToolContract.from_avro(record.to_avro()) == record
    # A field that came later is content only where it differs from its default.
    published = {
        name: value
        for name, value in record.to_avro().items()
        if name not in ("meta", "sha256") and (name not in LATER or getattr(contract, name) != LATER[name])
    }
    published["claims"] = [{"template": "item:{day}", "mode": "WRITE"}]
    assert record.sha256 == sha256_text(canonical_json(published))
    assert toolset.find("shop.buy", 3) is toolset.tools[0]
    assert toolset.find("shop.buy", 2) is None


def test_any_change_of_a_contract_changes_its_digest() -> None:
    """Effect, limits, resources, description and types all count."""
    digests = {
        contract_of(order).sha256,
        contract_of(order, timeout_seconds=5).sha256,
        contract_of(order, version=2).sha256,
        contract_of(order, writes="a").sha256,
        contract_of(order, reads="a").sha256,
        contract_of(order, name="other").sha256,
        contract_of(order, result_schema=True).sha256,
    }
    assert len(digests) == 7


def test_another_process_derives_the_same_contracts() -> None:
    """Whatever the seed of Python's hashes: a contract is published once and compared for ever."""
    here = [f"{contract_of(order).name} {contract_of(order).sha256}"]
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, f"{__file__}:toolset"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout.splitlines(), done.stderr) == (here, "")


toolset = Toolset("shop")
toolset.add(order, "pure")
