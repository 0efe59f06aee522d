"""`motet new` and the tutorial, as somebody does who has nothing but the package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from guide import Shell, typed
from motet.chassis.errors import ConfigurationError
from motet.starting import write
from servers import open_directory
from terminal import ROOT, programs, said
from world import World

PAGE: Final = (ROOT / "docs" / "tutorial.md").read_text()
SERVERS: Final = ("kafka", "postgres", "registry")


@pytest.mark.timeout(200)
def test_a_new_project_passes_its_own_tests(world: World, tmp_path: Path) -> None:
    """On real servers too, with another name than the one in the tutorial."""
    project = tmp_path / "corner-shop"
    written = write("corner-shop", project)
    assert not [path for path in written if "@name@" in path.read_text()]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={**os.environ, **world.addresses.environment(), "PYTHONPATH": str(ROOT / "services")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "6 passed" in ran.stdout


def test_its_compose_file_has_the_servers_of_motets_own(tmp_path: Path) -> None:
    """The same images and settings, Motet's services, and its own two."""
    write("corner-shop", tmp_path / "new")
    mine: dict[str, Any] = yaml.safe_load((tmp_path / "new" / "docker-compose.yml").read_text())["services"]
    motets: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name in SERVERS:
        assert {key: value for key, value in mine[name].items() if key != "volumes"} == {
            key: value for key, value in motets[name].items() if key != "volumes"
        }
    core = {name for name in motets if not name.startswith("tools-")}
    assert set(mine) == {*core, "tools-corner-shop", "agent-corner-shop-clerk"}
    registry = (tmp_path / "new" / "deploy" / "registry.sql").read_text()
    assert registry == (ROOT / "deploy" / "postgres" / "registry.sql").read_text()


@pytest.mark.parametrize("name", ["Shop", "9shop", "a" * 31, "sh op", ""])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    """With what is allowed; nothing is written."""
    with pytest.raises(ConfigurationError, match="is not a lower-case letter"):
        write(name, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    """Twice in a row: the second one writes nothing."""
    write("shop", tmp_path / "shop")
    (tmp_path / "shop" / "tools.py").write_text("mine")
    with pytest.raises(ConfigurationError, match="is there and not empty"):
        write("shop", tmp_path / "shop")
    assert (tmp_path / "shop" / "tools.py").read_text() == "mine"


@pytest.fixture
def nothing(tmp_path: Path) -> Iterator[Shell]:
    """A shell in an empty folder, where nothing runs and no server is named."""
    with open_directory() as home:
        shell = Shell(
            home,
            {
                **{name: value for name, value in os.environ.items() if not name.startswith("MOTET_")},
                "MOTET_KAFKA_LIBS": os.environ.get("MOTET_KAFKA_LIBS", str(ROOT / "build" / "servers")),
                "PYTHONPATH": str(ROOT / "services"),
                "PYTEST_ADDOPTS": "-p no:cacheprovider",
                "PATH": f"{programs(tmp_path)}:{os.environ['PATH']}",
                "COLUMNS": "500",
            },
        )
        try:
            yield shell
        finally:
            shell.run("motet down")
            shell.close()


@pytest.mark.timeout(280)
def test_the_tutorial_says_what_the_screen_says(nothing: Shell) -> None:
    """From an empty folder to an audited run, with SIGKILL on the way; servers of its own, so that the audit is of this alone."""
    commands = list(typed(PAGE))
    assert len(commands) == 17
    for one in commands:
        printed = said(nothing, one)
        assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"
