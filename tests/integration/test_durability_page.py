"""`docs/durability.md`, typed: what the servers that are there would lose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from guide import typed
from terminal import terminal
from world import World

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "durability.md").read_text()


def test_what_a_loss_costs_is_said(world: World) -> None:
    """One broker and one PostgreSQL, as the page has it; for programs too, with exit code 1."""
    world.coordinator()
    shell = terminal(world)
    try:
        for one in typed(PAGE):
            printed = shell.run(one.command)
            assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"
        said, code = shell.run("motet durability --json; echo $?").rstrip().rsplit("\n", 1)
    finally:
        shell.close()
    assert code == "1"
    assert {one["what"]: one["ok"] for one in json.loads(said)["findings"]}["PostgreSQL's fsync"] is True
