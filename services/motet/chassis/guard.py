"""The one broad `except`: other people's code may raise anything, and neither a partition nor a neighbour may pay for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A call returned."""

    value: T


@dataclass(frozen=True, slots=True)
class Raised:
    """A call raised, and `passing` did not name the error."""

    error: Exception

    @property
    def text(self) -> str:
        """The error in one line."""
        return f"{type(self.error).__name__}: {self.error}"


def attempt(function: Callable[[], T], passing: tuple[type[BaseException], ...] = ()) -> Done[T] | Raised:
    """Calls a function and returns what came of it. Errors in `passing` are the caller's own and go through."""
    try:
        return Done(function())
    except passing:
        raise
    except Exception as error:  # noqa: BLE001  the one place
        return Raised(error)
