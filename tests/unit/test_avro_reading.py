"""The readers that are written out for schemas read what fastavro reads, of every version of every record."""

from __future__ import annotations

import json
import struct
from io import BytesIO
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.chassis import avro_reading
from motet.chassis.codec import every_schema, parse

# A schema in which something was written, and the newest of the type.
VERSIONS: list[tuple[str, Any, Any]] = [
    (f"{name}.v{number}", parse(json.loads(text)), parse(json.loads(texts[-1])))
    for name, texts in sorted(every_schema().items())
    for number, text in enumerate(texts, 1)
]


def read_by_fastavro(data: bytes, written: Any, own: Any) -> tuple[Any, int]:
    """The content, and how much was read."""
    stream = BytesIO(data)
    return fastavro.schemaless_reader(stream, written, own), stream.tell()


def written_as(schema: Any, datum: Any) -> bytes:
    """A datum's bytes."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, schema, datum)
    return stream.getvalue()


@pytest.mark.parametrize(("written", "own"), [one[1:] for one in VERSIONS], ids=[one[0] for one in VERSIONS])
def test_every_version_is_read_as_fastavro_reads_it(written: Any, own: Any) -> None:
    """Into the newest version and into its own; from any place, up to the last byte; and nothing is left to fastavro."""
    into = avro_reading.reader(written, own)
    same = avro_reading.reader(written, None)
    assert {into.__name__, same.__name__} == {"read"}
    assert {into.__qualname__, same.__qualname__} == {"read"}
    for datum in generate_many(written, 25):
        data = written_as(written, datum)
        assert into(b"12345" + data, 5) == (read_by_fastavro(data, written, own)[0], len(data) + 5)
        assert same(data, 0) == (read_by_fastavro(data, written, None)[0], len(data))


LISTS: list[tuple[Any, Any, str]] = [
    (written, own, field["name"])
    for _, written, own in VERSIONS
    for field in written["fields"]
    if isinstance(field["type"], dict) and field["type"]["type"] == "array"
]


@pytest.mark.parametrize(("written", "own", "name"), LISTS, ids=[f"{one['name']}-{name}" for one, _, name in LISTS])
def test_a_list_that_nobody_wants_is_passed_over(written: Any, own: Any, name: str) -> None:
    """All else is read as before, up to the last byte; also where blocks say how many bytes they have."""
    read = avro_reading.reader(written, own, (name, "of others"))
    assert read.__qualname__ == "read"
    for datum in generate_many(written, 25):
        data = written_as(written, datum)
        content = read_by_fastavro(data, written, own)[0]
        assert read(data, 0) == (content | {name: []} if name in content else content, len(data))


def test_a_block_that_says_its_size_is_passed_over() -> None:
    """The specification lets whoever writes say it."""
    items = {"type": "array", "items": "string"}
    schema = {"type": "record", "name": "r", "fields": [{"name": "a", "type": items}, {"name": "b", "type": "int"}]}
    data = bytes([3, 8, 2, 65, 2, 66, 0, 14])
    assert avro_reading.reader(schema, None)(data, 0) == ({"a": ["A", "B"], "b": 7}, len(data))
    assert avro_reading.reader(schema, None, ("a",))(data, 0) == ({"a": [], "b": 7}, len(data))


SAMPLES = [
    (written, own, written_as(written, one)) for _, written, own in VERSIONS for one in generate_many(written, 2)
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_damaged_bytes_are_refused_or_read_as_fastavro_reads_them(
    sample: tuple[Any, Any, bytes], data: st.DataObject
) -> None:
    """Cut off, or changed: whatever is read, fastavro reads the same, to the same place."""
    written, own, whole = sample
    changed = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=3)):
        changed[place] = data.draw(st.integers(0, 255))
    damaged = bytes(changed[: data.draw(st.integers(0, len(whole)))])
    try:
        found, end = avro_reading.reader(written, own)(damaged, 0)
    except (ValueError, LookupError, struct.error):
        return
    if end <= len(damaged):
        assert same_content((found, end), read_by_fastavro(damaged, written, own))


def same_content(one: Any, other: Any) -> bool:
    """Whether two contents are equal; NaN is equal to itself."""
    return bool(one == other) or repr(one) == repr(other)


RECORD = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "long"}]}


@pytest.mark.parametrize(
    ("written", "own", "datum"),
    [
        ({"type": "map", "values": "int"}, None, {"a": 1}),
        ("int", "long", 3),
        ("string", ["null", "string"], "x"),
        ({"type": "fixed", "name": "f", "size": 2}, None, b"ab"),
        (RECORD, {**RECORD, "fields": [{"name": "a", "type": "double"}]}, {"a": 2}),
    ],
)
def test_what_is_not_written_out_fastavro_reads(written: Any, own: Any, datum: Any) -> None:
    """Types that no record of ours has, and schemas that differ in more than fields and symbols."""
    mine = None if own is None else fastavro.parse_schema(own, named_schemas={})
    written = fastavro.parse_schema(written, named_schemas={})
    data = written_as(written, datum)
    read = avro_reading.reader(written, mine)
    assert read.__qualname__.startswith("by_fastavro")
    assert read(b"\0" + data, 1) == (datum, len(data) + 1)


@pytest.mark.parametrize("number", [0, -1, 63, 64, -65, 2**31, 2**63 - 1, -(2**63)])
def test_numbers_of_every_length(number: int) -> None:
    """Zigzag, in one to ten bytes."""
    data = written_as("long", number)
    assert avro_reading.reader("long", None)(data, 0) == (number, len(data))


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ("string", b"\x01"),
        ("bytes", b"\x03abc"),
        ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, b"\x01"),
        ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, b"\x04"),
        (["null", "int"], b"\x04"),
        (["null", "int"], b"\x01"),
        ("long", b"\xff" * 10 + b"\x01"),
        ("string", b"\x02\xff"),
    ],
)
def test_what_no_schema_allows_is_refused(schema: Any, data: bytes) -> None:
    """Lengths and indexes below 0, symbols and branches that are none, numbers that are too large, text that is none."""
    with pytest.raises((ValueError, LookupError)):
        avro_reading.reader(fastavro.parse_schema(schema, named_schemas={}), None)(data, 0)


def test_an_array_in_blocks_with_sizes_is_read() -> None:
    """A writer may give a block's size in bytes, behind a count below 0."""
    schema = {"type": "array", "items": "int"}
    data = b"\x03\x04\x02\x04\x02\x06\x00"
    assert avro_reading.reader(schema, None)(data, 0) == ([1, 2, 3], len(data)) == read_by_fastavro(data, schema, None)
