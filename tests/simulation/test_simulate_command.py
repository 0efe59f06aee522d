"""`motet simulate` as a person and a program see it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from breakages import lanes_take_repeats
from motet.cli import main, simulating
from motet.cli.app import app

RUNNER = CliRunner()


def test_json_has_what_a_program_asks() -> None:
    """Runs, violations, the rate, and what happens in a run on average: empty runs would show."""
    done = RUNNER.invoke(app, ["simulate", "--seed", "100", "--runs", "48", "--plans", "10", "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    assert (said["runs"], said["violations"], said["failures"]) == (48, 0, [])
    assert said["runs_per_second_per_core"] > 0
    assert said["means"]["plans"] > 9
    assert min(said["means"][name] for name in ("calls", "deliveries", "faults", "repeats")) > 0


def test_two_processes_find_what_one_finds() -> None:
    """Whoever runs a seed runs the same."""
    arguments = ["simulate", "--runs", "520", "--plans", "2", "--json"]
    one, two = (json.loads(RUNNER.invoke(app, [*arguments, "--workers", count]).output) for count in ("1", "2"))
    assert one["means"] == two["means"]


def test_a_failure_prints_its_seed_and_its_story(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, the command that has it again, and a short story."""
    lanes_take_repeats(monkeypatch)
    done = RUNNER.invoke(app, ["simulate", "--runs", "4", "--plans", "10"])
    assert done.exit_code == 1
    words = " ".join(done.output.split())
    assert re.search(r"again: .* simulate --seed \d+ --runs 1 --plans 10", words)
    assert "shrunk to 1 commands" in words
    assert "step 1: plan" in words
    failed = RUNNER.invoke(app, ["simulate", "--runs", "4", "--plans", "10", "--json"])
    assert failed.exit_code == 1
    assert json.loads(failed.output)["failures"][0]["promise"] in ("P1", "P2")


def test_the_story_of_a_good_run() -> None:
    """Step by step, and that every promise was kept."""
    done = RUNNER.invoke(app, ["simulate", "--seed", "3", "--runs", "1", "--plans", "3", "-v"])
    assert done.exit_code == 0
    assert "comes to the door" in done.output
    assert "seed 3: every promise was kept" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--runs", "0"], "--runs is 0; it is from 1 to"),
        (["--seed", "-1"], "--seed is -1; it is from 0 to"),
        (["--plans", "401"], "--plans is 401; it is from 1 to 400"),
        (["--workers", "0"], "--workers is 0; it is from 1 to"),
        (["--story", "--runs", "2"], "--story tells of one run, and --runs is 2: add --runs 1"),
    ],
)
def test_bad_arguments_are_told_in_one_line(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the value and the limit; exit code 2."""
    monkeypatch.setattr("sys.argv", ["motet", "simulate", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_many_runs_go_on_from_the_compiled_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command, found there; where there is no copy it runs as it is, and few runs never ask."""
    made = SimpleNamespace(returncode=0, stdout="/copy\n")
    begun: list[Any] = []
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: made)
    monkeypatch.setattr(os, "execve", lambda _, command, environment: begun.append((command, environment)))
    monkeypatch.setattr(simulating, "MANY", 2)
    monkeypatch.setattr(sys, "argv", ["motet", "simulate", "--runs", "2", "--plans", "1"])
    assert RUNNER.invoke(app, ["simulate", "--runs", "1", "--plans", "1"]).exit_code == 0
    assert not begun
    assert RUNNER.invoke(app, ["simulate", "--runs", "2", "--plans", "1"]).exit_code == 0
    ((command, environment),) = begun
    assert command[1:] == ["-m", "motet", "simulate", "--runs", "2", "--plans", "1"]
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == "/copy"
    made.stdout = ""
    assert RUNNER.invoke(app, ["simulate", "--runs", "2", "--plans", "1"]).exit_code == 0
    assert len(begun) == 1
