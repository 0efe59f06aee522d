"""The checker of the checker: every mutant can be made, and one that nobody notices is told as such."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import mutating
from mutant import Mutant
from mutants import MUTANTS

ENOUGH = 20


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project."""
    return mutating.copied(tmp_path_factory.mktemp("mutants") / "project")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_mutant_can_be_made(mutant: Mutant) -> None:
    """Its text stands once in its file, and its test is there."""
    text = (mutating.ROOT / "services" / "motet" / mutant.file).read_text()
    assert text.count(mutant.before) == 1
    path, _, name = mutant.test.partition("::")
    assert re.search(rf"^def {name}\(", (mutating.ROOT / "tests" / path).read_text(), re.MULTILINE)


def test_there_are_enough_and_each_has_its_name() -> None:
    """Fewer would check little."""
    assert len({one.name for one in MUTANTS}) == len(MUTANTS) >= ENOUGH


LANES = Mutant(
    "nothing-changes",
    "nothing",
    "chassis/lanes.py",
    "if stamp.number != place.number + 1:",
    "if stamp.number != 1 + place.number:",
    "unit/test_lanes.py::test_a_changed_record_breaks_the_chain",
)


@pytest.mark.parametrize(
    ("mutant", "verdict"),
    [
        (LANES, "survived"),
        (replace(LANES, before="if stamp.previous != place.digest:", after="if False:"), "killed"),
        (replace(LANES, test="unit/test_lanes.py::test_that_is_not_there"), "broken"),
        (replace(LANES, before="text that is not there"), "broken"),
    ],
)
def test_a_verdict_is_what_the_test_made_of_it(project: Path, mutant: Mutant, verdict: str) -> None:
    """Only a test that fails kills; one that cannot be run does not, and the copy is as before afterwards."""
    path = project / "services" / "motet" / mutant.file
    before = path.read_text()
    assert mutating.tried(project, mutant)[0] == verdict
    assert path.read_text() == before


def test_a_survivor_fails_the_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last line counts, and the exit code is 1."""
    assert mutating.judge([project], [LANES]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "mutants killed: 0 of 1"


def test_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and what to do."""
    with pytest.raises(SystemExit):
        mutating.main(["no-lane-chek"])
    assert "there is no mutant 'no-lane-chek'; --list names them all" in capsys.readouterr().err
