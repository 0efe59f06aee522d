"""`docs/failures.md` as a newcomer follows it: every command is typed, and the screen says what the page says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from guide import Shell, Typed, typed
from motet.chassis.waiting import NotInTime, wait_until
from world import World

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "failures.md").read_text()
SECONDS: Final = 30.0
# What only looks is asked again until the projections have what was done before.
LOOKS: Final = ("motet sql", "motet calls", "motet approvals", "motet breakers")


@pytest.fixture
def shell(world: World) -> Iterator[Shell]:
    """A terminal beside the payment service and Motet with the shop's tools."""
    payments = subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "examples" / "payments.py"), "0"], stdout=subprocess.PIPE, text=True
    )
    assert payments.stdout is not None
    url = payments.stdout.readline().split()[-1]
    world.coordinator()
    world.projector()
    world.tools(str(ROOT / "examples" / "shop_tools.py"), PAYMENTS_URL=url)
    programs = world.directory / "programs"
    programs.mkdir()
    for name, words in (("motet", "-m motet"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        program.chmod(0o755)
    environment = {
        **os.environ,
        **world.addresses.environment(),
        "PYTHONPATH": str(ROOT / "services"),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "COLUMNS": "500",
    }
    made = Shell(ROOT, environment)
    try:
        yield made
    finally:
        made.close()
        payments.terminate()
        payments.communicate()


@pytest.mark.timeout(240)
def test_the_page_says_what_the_screen_says(shell: Shell) -> None:
    """From the first command to the last."""
    commands = list(typed(PAGE))
    assert len(commands) > 25
    for one in commands:
        printed = said(shell, one)
        assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"

    for command in ("calls list", "calls in-doubt", "approvals --all", "compensations", "budgets", "breakers"):
        people, programs = shell.run(f"motet {command}"), json.loads(shell.run(f"motet {command} --json"))
        assert "Traceback" not in people
        assert isinstance(programs, list)
        if command != "calls in-doubt":
            assert len(people.splitlines()) > len(programs) > 0, command


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


def test_every_example_is_run_by_a_page_or_a_test() -> None:
    """An example that nobody runs would rot."""
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "integration").glob("test_*.py"))
    for path in (ROOT / "examples").iterdir():
        if path.suffix in (".py", ".yaml"):
            assert path.name in PAGE or path.name in tests, f"{path.name} is run by nobody"
