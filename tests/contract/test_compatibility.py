"""The compatibility checker goes red for every kind of break, and stays green for what Avro can resolve."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest

from contract.compatibility import breaks, unreadable


def record(*fields: dict[str, Any], name: str = "R") -> dict[str, Any]:
    """A record with these fields."""
    return {"type": "record", "name": name, "namespace": "n", "fields": list(fields)}


def one(kind: Any, **more: Any) -> dict[str, Any]:
    """A record with one field."""
    return record({"name": "a", "type": kind, **more})


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    """An enum."""
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def fixed(size: int, name: str = "F") -> dict[str, Any]:
    """A fixed."""
    return {"type": "fixed", "name": name, "size": size}


TREE = record({"name": "next", "type": ["null", "R"], "default": None}, {"name": "a", "type": "int"})


@pytest.mark.parametrize(
    ("reader", "writer", "said"),
    [
        (one("int"), record(), "a: the writer has no such field and the reader no default"),
        (one("int"), one("long"), "a: long cannot be read as int"),
        (one("float"), one("double"), "a: double cannot be read as float"),
        (one("string"), one("int"), "a: int cannot be read as string"),
        (one("string"), one(["null", "string"]), "a: null cannot be read as string"),
        (one(["null", "int"]), one("string"), "a: no branch of the reader's union reads string"),
        (one(["null", "int"]), one(["null", "string"]), "no branch of the reader's union reads string"),
        (one({"type": "array", "items": "int"}), one({"type": "array", "items": "string"}), "a[]: string"),
        (one({"type": "map", "values": "int"}), one({"type": "map", "values": "string"}), "a{}: string"),
        (one({"type": "array", "items": "int"}), one({"type": "map", "values": "int"}), "map cannot be read as array"),
        (one(enum("A")), one(enum("A", "B")), "the enum n.E knows no B and has no default"),
        (one(enum("A", default="X")), one(enum("A", "B")), "the enum n.E knows no B"),
        (one(fixed(4)), one(fixed(8)), "the size of n.F changed from 8 to 4"),
        (one(fixed(4, "G")), one(fixed(4)), "n.F cannot be read as n.G"),
        (record(name="S"), record(), "n.R cannot be read as n.S"),
        (one(record(name="S")), one(record(name="T")), "a: n.T cannot be read as n.S"),
        (one({**one("int"), "name": "S"}), one({**one("string"), "name": "S"}), "a.a: string cannot be read as int"),
        (one({"type": "long", "logicalType": "timestamp-millis"}), one({"type": "long"}), "the logical type changed"),
        (record(*TREE["fields"], {"name": "b", "type": "int"}), TREE, "b: the writer has no such field"),
    ],
)
def test_a_break_is_seen(reader: Any, writer: Any, said: str) -> None:
    """Each with its place."""
    assert any(said in fault for fault in unreadable(reader, writer)), unreadable(reader, writer)


@pytest.mark.parametrize(
    ("reader", "writer", "datum"),
    [
        (one("int"), one("int"), {"a": 1}),
        (one("double"), one("int"), {"a": 1}),
        (one("string"), one("bytes"), {"a": b"x"}),
        (one("int", default=0), record(), {}),
        (record(), one("int"), {"a": 1}),
        (record({"name": "b", "type": "int", "aliases": ["a"]}), one("int"), {"a": 1}),
        (one(["null", "int"]), one("int"), {"a": 1}),
        (one(["null", "long"]), one(["null", "int"]), {"a": 1}),
        (one(enum("A", default="A")), one(enum("A", "B")), {"a": "B"}),
        (one(enum("A", "B")), one(enum("A")), {"a": "A"}),
        (one({"type": "array", "items": "long"}), one({"type": "array", "items": "int"}), {"a": [1]}),
        (TREE, TREE, {"next": {"next": None, "a": 2}, "a": 1}),
        (one(["null", fixed(2)]), one(fixed(2)), {"a": b"xy"}),
    ],
)
def test_what_avro_resolves_is_no_break(reader: Any, writer: Any, datum: Any) -> None:
    """The checker says yes, and fastavro reads it."""
    assert unreadable(reader, writer) == []
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(writer), datum)
    buffer.seek(0)
    assert fastavro.schemaless_reader(buffer, fastavro.parse_schema(writer), fastavro.parse_schema(reader)) is not None


def folder(path: Path, *schemas: Any, name: str = "n.R", first: int = 1) -> Path:
    """A folder with versions of one record."""
    for number, schema in enumerate(schemas, start=first):
        (path / f"{name}.v{number}.avsc").write_text(json.dumps(schema))
    return path


def test_every_version_is_compared_with_all_before_it(tmp_path: Path) -> None:
    """Both ways, and not only with its neighbour: a field that was dropped must not come back as another type."""
    optional = {"name": "b", "type": ["null", "int"], "default": None}
    other = {"name": "b", "type": ["null", "string"], "default": None}
    base = one("int")["fields"]
    found = breaks(folder(tmp_path, record(*base, optional), record(*base), record(*base, other)))
    assert found == [
        "n.R: v3 cannot read v1: b: no branch of the reader's union reads int",
        "n.R: v1 cannot read v3: b: no branch of the reader's union reads string",
    ]


def test_a_field_without_a_default_breaks_one_direction(tmp_path: Path) -> None:
    """The new version could not read what is in the log."""
    assert breaks(folder(tmp_path, record(), one("int"))) == [
        "n.R: v2 cannot read v1: a: the writer has no such field and the reader no default for it"
    ]


def test_a_removed_field_without_a_default_breaks_the_other(tmp_path: Path) -> None:
    """A service that was not updated yet could not read what the new one writes."""
    assert breaks(folder(tmp_path, one("int"), record())) == [
        "n.R: v1 cannot read v2: a: the writer has no such field and the reader no default for it"
    ]


def test_a_published_version_stays(tmp_path: Path) -> None:
    """A gap in the numbers is a version that somebody removed."""
    folder(tmp_path, record())
    folder(tmp_path, record(), first=3)
    assert "the versions [1, 3] are not 1, 2, 3" in breaks(tmp_path)[0]


@pytest.mark.parametrize(
    ("name", "schema"), [("n.R.avsc", record()), ("n.Q.v1.avsc", record()), ("n.R.v0.avsc", record())]
)
def test_a_file_is_what_its_name_says(tmp_path: Path, name: str, schema: Any) -> None:
    """Else a version would be compared with nothing."""
    (tmp_path / name).write_text(json.dumps(schema))
    with pytest.raises(ValueError, match=name.replace(".", r"\.")):
        breaks(tmp_path)
