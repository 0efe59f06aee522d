"""Tries the mutants of `mutants.py`: copies the project, changes one text, runs the test that must notice, changes it back.

Several are tried at once, each in a copy of its own, with servers of its own if its test needs any.

python tests/mutating.py [NAME ...] [--list]
"""

from __future__ import annotations

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Final, Literal

from mutant import Mutant
from mutants import MUTANTS
from workers import WORKERS

ROOT: Final = Path(__file__).resolve().parents[1]
# What tests read; the servers' files are large and nobody changes them.
COPIED: Final = ("services", "schemas", "tests", "examples", "deploy", "docs")
LINKED: Final = ("build", ".venv")
LIMIT_SECONDS: Final = 600
# pytest's exit codes: tests ran and some failed; everything passed.
FAILED: Final = 1
PASSED: Final = 0

Verdict = Literal["killed", "survived", "broken"]


def copied(to: Path) -> Path:
    """The project in a folder of its own."""
    caches = shutil.ignore_patterns("__pycache__", ".*_cache", "*.egg-info")
    for name in COPIED:
        shutil.copytree(ROOT / name, to / name, ignore=caches)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, to / path.name)
    for name in LINKED:
        (to / name).symlink_to(ROOT / name)
    return to


def run(project: Path, tests: Sequence[str], processes: int = 0) -> tuple[int, str]:
    """The exit code and what it printed. Hypothesis tries the same examples each time."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--hypothesis-seed=0", "--tb=line", f"-n{processes}", *tests]
    # Written code is read again, whatever its time says.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(project / "services")}
    try:
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return FAILED, f"no end within {LIMIT_SECONDS} s"
    return done.returncode, done.stdout + done.stderr


def tried(project: Path, mutant: Mutant) -> tuple[Verdict, str]:
    """What the mutant's test makes of it. The project is as before afterwards."""
    path = project / "services" / "motet" / mutant.file
    text = path.read_text()
    if text.count(mutant.before) != 1:
        return "broken", f"its text stands {text.count(mutant.before)} times in {mutant.file}, and must stand once"
    path.write_text(text.replace(mutant.before, mutant.after))
    try:
        code, said = run(project, [f"tests/{mutant.test}"])
    finally:
        path.write_text(text)
    if code == FAILED:
        return "killed", said
    return ("survived" if code == PASSED else "broken"), said


def main(arguments: Sequence[str] | None = None) -> int:
    """0 only if every mutant that was asked for is killed."""
    parser = argparse.ArgumentParser(description="Tries mutants of Motet; each must fail the test that it names.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (all if none is given)")
    parser.add_argument("--list", action="store_true", help="lists them and tries none")
    asked = parser.parse_args(arguments)
    unknown = sorted(set(asked.names) - {one.name for one in MUTANTS})
    if unknown:
        parser.error(f"there is no mutant {unknown[0]!r}; --list names them all")
    chosen = [one for one in MUTANTS if not asked.names or one.name in asked.names]
    if asked.list:
        for one in chosen:
            print(f"{one.name:30} {one.breaks}\n{'':30} {one.file}, {one.test}")
        return 0
    with tempfile.TemporaryDirectory(prefix="motet-mutants-") as name:
        places = range(min(WORKERS, len(chosen)))
        return judge([copied(Path(name) / str(number)) for number in places], chosen)


def judge(projects: Sequence[Path], chosen: Sequence[Mutant]) -> int:
    """Runs the tests as they are, then each mutant, as many at once as there are copies."""
    tests = sorted({f"tests/{one.test}" for one in chosen})
    print(f"{len(tests)} tests on the product as it is", end=" … ", flush=True)
    code, said = run(projects[0], tests, len(projects) if len(tests) > 1 else 0)
    if code != PASSED:
        print(f"not green:\n{said}")
        return 1
    print("green", flush=True)
    killed = 0
    for one, verdict, said, seconds in verdicts(projects, chosen):
        killed += verdict == "killed"
        print(f"{verdict:9} {one.name:30} {seconds:6.1f} s  {one.test}", flush=True)
        if verdict != "killed":
            print(f"          {one.breaks}\n{said}", flush=True)
    print(f"mutants killed: {killed} of {len(chosen)}")
    return 0 if killed == len(chosen) else 1


def verdicts(projects: Sequence[Path], chosen: Sequence[Mutant]) -> Iterator[tuple[Mutant, Verdict, str, float]]:
    """Each mutant with its verdict, what was said, and the seconds, as they come; those with servers, which take longest, begin first."""
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for project in projects:
        free.put(project)

    def attempt(one: Mutant) -> tuple[Mutant, Verdict, str, float]:
        project, began = free.get(), time.monotonic()
        try:
            return one, *tried(project, one), time.monotonic() - began
        finally:
            free.put(project)

    pool = ThreadPoolExecutor(len(projects))
    try:
        ordered = sorted(chosen, key=lambda one: not one.test.startswith("integration/"))
        yield from (done.result() for done in as_completed([pool.submit(attempt, one) for one in ordered]))
    finally:
        pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    sys.exit(main())
