"""What the simulator finds."""

from __future__ import annotations


class Violation(Exception):
    """A promise that was broken: its name (P1 …), and what was expected and found."""

    def __init__(self, promise: str, message: str) -> None:
        super().__init__(f"{promise}: {message}")
        self.promise = promise
        self.message = message
