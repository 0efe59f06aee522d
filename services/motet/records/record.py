"""A record as a class: read-only to mypy, and cheap to make.

A dataclass that is frozen at run time sets each field through `object.__setattr__`; one of ten fields takes five times as long to make as
this, and records are made for everything that is read, decided or published. So mypy, which every change has to pass, keeps the fields from being
assigned to, and Python does not. Two records with equal fields are equal and have one hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(kind: type[T]) -> type[T]:
    """Makes a class a record."""
    return dataclass(slots=True, unsafe_hash=True)(kind)
