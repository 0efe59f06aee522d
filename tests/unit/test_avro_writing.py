"""The writers that are written out for schemas write what fastavro writes, of every record."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many
from hypothesis import given
from hypothesis import strategies as st

from motet.chassis import avro_writing
from motet.chassis.codec import newest_schemas, parse
from motet.records import RECORDS, Failure, Meta, PlanEnded

SCHEMAS: list[tuple[str, Any]] = [(name, parse(json.loads(text))) for name, text in sorted(newest_schemas().items())]
META = Meta("e", "k", "c", "acme", "main", 7, 8, "t")
ENDED = PlanEnded(META, "p", "k", "agent", "SUCCEEDED", (), "0" * 64)
ENDED_SCHEMA = dict(SCHEMAS)[PlanEnded.FULL_NAME]


def by_fastavro(schema: Any, datum: Any) -> bytes:
    """A datum's bytes."""
    stream = BytesIO()
    fastavro.schemaless_writer(stream, schema, datum)
    return stream.getvalue()


def changed(record: Any, **values: Any) -> Any:
    """A record with other values, of whatever type."""
    return replace(record, **values)


@pytest.mark.parametrize(("name", "schema"), SCHEMAS, ids=[name for name, _ in SCHEMAS])
def test_every_record_is_written_as_fastavro_writes_it(name: str, schema: Any) -> None:
    """From the record itself, behind what the value begins with; and nothing is left to fastavro."""
    assert avro_writing.text_of(schema) is not None
    write = avro_writing.writer(schema)
    for datum in generate_many(schema, 40):
        record = RECORDS[name].from_avro(datum)
        assert write(b"head", record) == b"head" + by_fastavro(schema, record.to_avro())


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_number_of_64_bits_is_written_as_fastavro_writes_it(value: int) -> None:
    """Of either sign."""
    assert avro_writing.number(value) == by_fastavro("long", value)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=3_000), st.integers(-(2**63), 2**63 - 1))
def test_texts_and_numbers_of_any_length(text: str, value: int) -> None:
    """Beyond the small ones that are at hand."""
    record = changed(ENDED, meta=changed(META, tenant=text, hlc=value))
    assert avro_writing.writer(ENDED_SCHEMA)(b"", record) == by_fastavro(ENDED_SCHEMA, record.to_avro())


WRONG = [
    changed(META, tenant=None),
    changed(META, tenant=7),
    changed(META, tenant="\ud800"),
    changed(META, hlc=None),
    changed(META, hlc="7"),
    changed(META, hlc=7.0),
    changed(META, hlc=2**63),
    changed(META, hlc=-(2**63) - 1),
    changed(META, traceparent=7),
    Failure("code", "message"),
    None,
]


@pytest.mark.parametrize("meta", WRONG, ids=str)
def test_what_a_schema_has_no_place_for_is_refused(meta: Any) -> None:
    """With one kind of error, whatever is wrong: nothing half right gets into a topic."""
    with pytest.raises(ValueError, match=r"\w"):
        avro_writing.writer(ENDED_SCHEMA)(b"", changed(ENDED, meta=meta))


def test_an_unknown_symbol_is_refused_by_its_name() -> None:
    """An enum's default is for readers."""
    with pytest.raises(ValueError, match=r"'WON' is none of .*SUCCEEDED"):
        avro_writing.writer(ENDED_SCHEMA)(b"", changed(ENDED, outcome="WON"))


def test_a_schema_that_is_not_written_out_is_left_to_fastavro() -> None:
    """Such as one with a union of several types."""
    schema = parse({"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "int", "string"]}]})

    class One:
        """Such a record."""

        def to_avro(self) -> dict[str, Any]:
            """Its content."""
            return {"a": "x"}

    assert avro_writing.text_of(schema) is None
    assert avro_writing.writer(schema)(b"h", One()) == b"h" + by_fastavro(schema, {"a": "x"})
