"""A mutant of the product: one small thing wrong.

It is a text that stands exactly once in a file, and what is put in its place. The test is named before the mutant is tried: that some test
fails is not enough, the one that states the broken promise must.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`file` is under services/motet, `test` under tests, as pytest names it."""

    name: str
    breaks: str
    file: str
    before: str
    after: str
    test: str
