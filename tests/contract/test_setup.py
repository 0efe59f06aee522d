"""`deploy/setup`: what it says when the machine lacks something, and that half-done work never looks complete."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
# A Python whose packages are there already: it does what the script asks of it and installs nothing.
PYTHON: Final = """#!/usr/bin/env bash
case "$*" in
    *sys.exit*) exit 0 ;;
    *print*) echo 3.12 ;;
    *venv*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *pip*) echo "$*" >>installed ;;
esac
"""
OLD_PYTHON: Final = """#!/usr/bin/env bash
[[ $1 == --version ]] && echo Python 3.9.1
exit 1
"""
# A Maven that brings one jar and one archive, with the content that it is told.
MAVEN: Final = """#!/usr/bin/env bash
for argument; do [[ $argument == -Dservers.directory=* ]] && target="${argument#*=}"; done
mkdir -p "$target/kafka" "$target/registry" && echo "${CONTENT:-good}" >"$target/kafka/one.jar"
[[ -z ${EXTRA:-} ]] || touch "$target/kafka/$EXTRA"
cp archive.tar.gz "$target/registry/registry.tar.gz"
echo ran >>maven-ran
exit "${MAVEN_FAILS:-0}"
"""


class Checkout:
    """A checkout with nothing but what set-up reads, and the programs that it finds."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.programs = directory / "programs"
        for name in ("deploy/setup", "deploy/locks/requirements.txt", "deploy/locks/demo.txt", "deploy/kafka/pom.xml"):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
        (directory / "pyproject.toml").write_text("")
        self.programs.mkdir()
        self.install("python3", PYTHON)
        self.install("mvn", MAVEN)
        (directory / "quarkus-run.jar").write_text("registry")
        self.shell("tar -czf archive.tar.gz quarkus-run.jar && mkdir sums && cd sums && mkdir kafka registry")
        self.shell("echo good >sums/kafka/one.jar && cp archive.tar.gz sums/registry/registry.tar.gz")
        self.shell("cd sums && sha256sum kafka/one.jar registry/registry.tar.gz >../deploy/kafka/SHA256SUMS")

    def install(self, name: str, text: str) -> Path:
        """Puts a program on the path."""
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def shell(self, command: str) -> None:
        """Runs a line of shell."""
        subprocess.run(["bash", "-c", command], cwd=self.directory, check=True)

    def setup(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs set-up."""
        path = f"{self.programs}{os.pathsep}{environment.pop('REST', os.environ['PATH'])}"
        return subprocess.run(
            [shutil.which("bash") or "bash", str(self.directory / "deploy" / "setup")],
            env={"PATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def runs(self) -> int:
        """How often Maven ran."""
        ran = self.directory / "maven-ran"
        return len(ran.read_text().splitlines()) if ran.exists() else 0


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A fresh checkout."""
    return Checkout(tmp_path)


def test_the_second_time_there_is_nothing_to_do(checkout: Checkout) -> None:
    """The first run announces each step, the second says and runs nothing; a changed lock is installed again, alone."""
    first = checkout.setup()
    assert first.returncode == 0, first.stderr
    assert [line.split()[1] for line in first.stderr.splitlines()] == [
        "making",
        "installing",
        "installing",
        "installing",
        "fetching",
    ]
    assert (checkout.directory / "build/servers/registry/quarkus-run.jar").read_text() == "registry"
    again = checkout.setup()
    assert (again.returncode, again.stderr, checkout.runs()) == (0, "", 1)
    (checkout.directory / "deploy/locks/demo.txt").write_text("changed\n")
    changed = checkout.setup()
    assert changed.stderr.splitlines() == ["setup: installing the demo's data set"]


def test_a_python_that_is_too_old_is_named(checkout: Checkout) -> None:
    """MOTET_PYTHON of another version: the message has the program, its version and the version that is needed."""
    old = checkout.install("old", OLD_PYTHON)
    done = checkout.setup(MOTET_PYTHON=str(old))
    assert done.returncode == 1
    assert f"MOTET_PYTHON is {old} (Python 3.9.1): Python 3.11 or later is needed" in done.stderr
    assert not (checkout.directory / ".venv").exists()


def test_without_maven_the_message_says_what_to_install(checkout: Checkout) -> None:
    """The packages are installed, the jars are not, and the next run with Maven goes on from there."""
    (checkout.programs / "mvn").unlink()
    for name in ("bash", "sha256sum", "flock", "dirname", "mkdir", "mv", "cp", "cut", "head", "grep", "rm"):
        (checkout.programs / name).symlink_to(shutil.which(name) or name)
    done = checkout.setup(REST="")
    assert done.returncode == 1
    assert "mvn is not on the PATH: install Maven 3.6 or later" in done.stderr
    checkout.install("mvn", MAVEN)
    assert checkout.setup().stderr.splitlines()[0].startswith("setup: fetching Kafka")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"CONTENT": "tampered"}, "is not what deploy/kafka/SHA256SUMS says"),
        ({"EXTRA": "unlisted.jar"}, "does not list"),
        ({"MAVEN_FAILS": "1"}, "fetching"),
    ],
)
def test_jars_that_are_not_pinned_are_not_used(checkout: Checkout, fault: dict[str, str], said: str) -> None:
    """Another content, one file more, or a Maven that failed: nothing is put in place, and the next run starts anew."""
    done = checkout.setup(**fault)
    assert done.returncode != 0
    assert said in done.stderr
    assert not (checkout.directory / "build/servers").exists()
    assert checkout.setup().returncode == 0
    assert checkout.runs() == 2


def test_two_at_once_do_the_work_once(checkout: Checkout) -> None:
    """The second waits for the first and finds everything done."""
    command = [shutil.which("bash") or "bash", str(checkout.directory / "deploy" / "setup")]
    environment = {"PATH": f"{checkout.programs}{os.pathsep}{os.environ['PATH']}"}
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert checkout.runs() == 1
