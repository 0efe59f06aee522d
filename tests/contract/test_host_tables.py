"""A toolset's tables and its host's never share a name, because both are found without a schema."""

from __future__ import annotations

import re
from pathlib import Path

import motet
from motet.tools.host import HOP_TABLES

CREATED = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?([a-z_]+)")


def test_the_hosts_table_names_are_those_it_creates() -> None:
    """What a toolset is warned of is what the migrations of chassis and host make."""
    root = Path(motet.__file__).parent
    texts = [path.read_text() for place in ("chassis", "tools") for path in (root / place / "migrations").rglob("*.py")]
    assert {name for text in texts for name in CREATED.findall(text)} == HOP_TABLES
