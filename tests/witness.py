"""The outside witness of "exactly once" for tests: `motet.chaos.witness`, one of each test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from motet.chaos.witness import Witness


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    """A witness of one test."""
    started = Witness.start(tmp_path)
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """A witness of all tests of a file."""
    started = Witness.start(tmp_path_factory.mktemp("witness"))
    try:
        yield started
    finally:
        started.stop()
