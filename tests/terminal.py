"""A terminal beside a running Motet, in which a test types what a page says."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from guide import Shell, Typed
from motet.chassis.waiting import NotInTime, wait_until
from world import World

ROOT: Final = Path(__file__).resolve().parents[1]
SECONDS: Final = 30.0
# What only looks is asked again until the projections have what was done before.
LOOKS: Final = (
    "motet sql",
    "motet calls",
    "motet approvals",
    "motet breakers",
    "motet resources",
    "motet lineage",
    "motet changes",
    "motet agents show",
)


def programs(directory: Path) -> Path:
    """A folder with `motet`, `pytest` and `python` of these tests."""
    folder = directory / "programs"
    folder.mkdir(exist_ok=True)
    for name, words in (("motet", "-m motet"), ("pytest", "-m pytest"), ("python", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        program.chmod(0o755)
    return folder


def terminal(world: World) -> Shell:
    """A shell that finds `motet` and `python`, and the session's servers."""
    environment = {
        **os.environ,
        **world.addresses.environment(),
        "PYTHONPATH": str(ROOT / "services"),
        "PATH": f"{programs(world.directory)}:{os.environ['PATH']}",
        "COLUMNS": "500",
    }
    return Shell(ROOT, environment)


def said(shell: Shell, one: Typed) -> str:
    """What a command prints; what only looks, once it is what the page says, or else at last."""
    printed = [shell.run(one.command)]

    def right() -> bool:
        if not one.says(printed[0]):
            printed[0] = shell.run(one.command)
        return one.says(printed[0])

    if one.command.startswith(LOOKS):
        with suppress(NotInTime):
            wait_until(right, SECONDS, one.command)
    return printed[0]
