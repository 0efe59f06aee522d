"""Migrations: a service that starts compares the names of the newest ones with what its schema has."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from motet.chassis import database
from servers import ROOT

PLACES = sorted({path.parent for path in (ROOT / "services").rglob("migrations/**/*_[0-9]*.py")})


def said(path: Path) -> dict[str, Any]:
    """What a migration says of itself."""
    assigned = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
    return {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in assigned}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place.relative_to(ROOT)))
def test_a_migration_is_named_by_its_version(place: Path) -> None:
    """In the order of their names each builds upon the one before, so the last name is the newest version."""
    before: str | None = None
    for path in sorted(place.glob("*_[0-9]*.py")):
        assert (said(path)["revision"], said(path)["down_revision"]) == (path.stem, before)
        before = path.stem
    assert database.newest([place]) == {before}


def test_all_places_are_found() -> None:
    """The hop's, and those of the services with tables that migrate."""
    assert database.VERSIONS in PLACES
    assert len(PLACES) > 3
