"""`docs/failures.md` as a newcomer follows it: every command is typed, and the screen says what the page says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from guide import Shell, typed
from terminal import said, terminal
from world import World

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "failures.md").read_text()


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
    made = terminal(world)
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


def test_every_example_is_run_by_a_page_or_a_test() -> None:
    """An example that nobody runs would rot."""
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "integration").glob("test_*.py"))
    pages = [path.read_text() for path in (ROOT / "docs").glob("*.md") if f'"{path.name}"' in tests]
    for path in (ROOT / "examples").iterdir():
        if path.suffix in (".py", ".yaml"):
            assert any(path.name in text for text in (tests, *pages)), f"{path.name} is run by nobody"
