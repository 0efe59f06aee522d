"""`docs/resources.md`, `docs/past.md`, `docs/lineage.md` and `docs/changes.md` as a newcomer follows them: every command is typed, and the screen says what the page says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from guide import typed
from terminal import said, terminal
from world import World

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [(ROOT / "docs" / name).read_text() for name in ("resources.md", "past.md", "lineage.md", "changes.md")]
# What the page runs of the examples: stock_tools.py, stocktaking.yaml, sales.yaml, reorder.yaml, delivery.yaml.
TOOLS: Final = ROOT / "examples" / "stock_tools.py"


@pytest.mark.timeout(300)
def test_the_pages_say_what_the_screen_says(world: World) -> None:
    """Who holds, who waits and why, now and at a moment of the past, and what led to what, on the real thing."""
    world.coordinator()
    world.projector()
    world.tools(str(TOOLS))
    shell = terminal(world)
    try:
        for one in [one for page in PAGES for one in typed(page)]:
            printed = said(shell, one)
            assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"
        for command in ("resources", "calls waiting"):
            assert isinstance(json.loads(shell.run(f"motet {command} --json")), list)
    finally:
        shell.close()
