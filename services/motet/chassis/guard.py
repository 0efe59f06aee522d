"""The one broad `except`: other people's code may raise anything, and neither a partition nor a neighbour may pay for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A call returned."""

    value: T


class Uncaught(Exception):
    """What a tool raised that is no Exception, such as the cancellation of a task that it waited for: its cause."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A call raised, and `passing` did not name the error."""

    error: Exception

    @property
    def text(self) -> str:
        """The error in one line."""
        error = self.error.__cause__ if isinstance(self.error, Uncaught) else self.error
        # An error of somebody else's may raise when it is asked for its text.
        said = contain(partial(str, error))
        return f"{type(error).__name__}: {said.value if isinstance(said, Done) else 'it cannot say what it is'}"


def attempt(function: Callable[[], T], passing: tuple[type[BaseException], ...] = ()) -> Done[T] | Raised:
    """Calls a function and returns what came of it. Errors in `passing` are the caller's own and go through."""
    try:
        return Done(function())
    except passing:
        raise
    except Exception as error:  # noqa: BLE001  the one place
        return Raised(error)


def contain(function: Callable[[], T], passing: tuple[type[BaseException], ...] = ()) -> Done[T] | Raised:
    """As `attempt`, for a tool: whatever it raises ends the tool, and neither a thread nor the process."""
    try:
        return attempt(function, passing)
    except passing:
        raise
    except BaseException as error:  # noqa: BLE001  the one place
        uncaught = Uncaught()
        uncaught.__cause__ = error
        return Raised(uncaught)
