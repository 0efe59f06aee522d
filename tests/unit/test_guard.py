"""The one broad `except`: what other people's code raises becomes a value, and a text that never raises itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

import pytest

from motet.chassis import guard


class Silent(Exception):
    """An error that fails when it is asked what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def raising(error: BaseException) -> Callable[[], NoReturn]:
    """A function that raises."""

    def function() -> NoReturn:
        raise error

    return function


def test_what_returns_is_done() -> None:
    """Both ways."""
    assert guard.attempt(lambda: 3) == guard.contain(lambda: 3) == guard.Done(3)


def test_an_error_is_a_value_with_a_text() -> None:
    """Both ways, and the error is the one that was raised."""
    error = KeyError("x")
    for way in (guard.attempt, guard.contain):
        end = way(raising(error))
        assert isinstance(end, guard.Raised)
        assert (end.error, end.text) == (error, "KeyError: 'x'")


def test_an_error_that_cannot_say_what_it_is_has_a_text_all_the_same() -> None:
    """The thread that asks for it must not die of it: its call would never end."""
    assert guard.Raised(Silent()).text == "Silent: it cannot say what it is"


@pytest.mark.parametrize("error", [asyncio.CancelledError("gone"), KeyboardInterrupt("gone"), GeneratorExit("gone")])
def test_a_tool_may_raise_what_is_no_exception(error: BaseException) -> None:
    """`attempt` lets it through, which ends the process or the thread; `contain`, for tools, does not."""
    with pytest.raises(type(error)):
        guard.attempt(raising(error))
    end = guard.contain(raising(error))
    assert isinstance(end, guard.Raised)
    assert end.text == f"{type(error).__name__}: gone"
    assert end.error.__cause__ is error


@pytest.mark.parametrize("way", [guard.attempt, guard.contain])
@pytest.mark.parametrize("error", [LookupError("mine"), KeyboardInterrupt("mine")])
def test_the_callers_own_errors_go_through(way: Callable[..., object], error: BaseException) -> None:
    """Also those that are no Exception."""
    with pytest.raises(type(error), match="mine"):
        way(raising(error), (LookupError, KeyboardInterrupt))
