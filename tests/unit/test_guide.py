"""The reader of console blocks can tell when a page is wrong."""

from __future__ import annotations

import pytest

from guide import Typed, typed

PAGE = "text\n\n```console\n$ one --two\nfirst …\n  second\n$ three\n```\n\n```python\n$ no\n```\n\n```console\n$ four\n5\n```\n"


def test_commands_and_what_they_print_are_found() -> None:
    """In order, and only in console blocks."""
    assert list(typed(PAGE)) == [Typed("one --two", "first …\n  second"), Typed("three", ""), Typed("four", "5")]


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("first 1\n  second\n", True),
        ("first 1  \n  second  \n", True),
        ("first 1\n", False),
        ("first 1\n  second\nthird\n", False),
        ("first 1\nand\n  second\n", False),
        ("First 1\n  second\n", False),
    ],
)
def test_what_differs_is_seen(printed: str, said: bool) -> None:
    """An ellipsis stands for anything within a line and for no line more."""
    assert Typed("one", "first …\n  second").says(printed) is said
