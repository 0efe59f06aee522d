"""Canonical JSON: the fast path and RFC 8785 agree."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from motet.chassis.canonical import NotCanonical, canonical_json, digest

SAFE = 2**53 - 1
SCALARS = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(SCALARS | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


@given(VALUES)
def test_every_value_has_the_bytes_of_rfc_8785(value: object) -> None:
    """Whatever path is taken, the bytes are those of the RFC's own library."""
    parsed = json.loads(json.dumps(value))
    assert canonical_json(value).encode() == rfc8785.dumps(parsed)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**60, "\ud800", {"a": b"bytes"}, {1, 2}])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    """NaN, infinity, huge integers, lone surrogates and other types raise NotCanonical and nothing else."""
    with pytest.raises(NotCanonical):
        canonical_json(value)


def test_nesting_without_end_is_refused() -> None:
    """Depth beyond Python's stack is an answer, not a crash."""
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(NotCanonical):
        canonical_json(value)


def test_parts_of_a_digest_do_not_run_together() -> None:
    """Two lists of parts with the same joined text have different digests."""
    assert digest("ab", "c") != digest("a", "bc")
