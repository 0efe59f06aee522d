"""The multi-turn base set of the Berkeley Function Calling Leaderboard, read from the installed package's own files.

A scenario is a world (the initial state of some API objects) and a conversation of turns; a turn's ground truth is the list of
calls that answer it. Arguments are held as canonical JSON from here on, so that the reference and the tools get equal values: what
JSON does not tell apart (`1.0` and `1`, a dictionary's order) no one sees.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from motet.chassis.canonical import canonical_json
from motet.chassis.errors import ConfigurationError
from motet.demo import apis

PACKAGE = "bfcl-eval"
FILE = "BFCL_v4_multi_turn_base.json"
SCENARIOS, TURNS, CALLS = 200, 734, 1142


class DatasetUnusable(ConfigurationError):
    """The installed data set is missing or is not the one that the demo's figures speak of."""


@dataclass(frozen=True, slots=True)
class Call:
    """One ground-truth call; `arguments_json` is canonical JSON, each argument by its parameter's name."""

    class_name: str
    function: str
    arguments_json: str

    def arguments(self) -> dict[str, Any]:
        """The arguments as fresh values that the callee may keep and change."""
        read: dict[str, Any] = json.loads(self.arguments_json)
        return read


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world and a conversation: `initial_config` holds one JSON text a class, in the order of the file; `questions` what is asked each turn."""

    id: str
    initial_config: dict[str, str]
    classes: tuple[str, ...]
    turns: tuple[tuple[Call, ...], ...]
    questions: tuple[str, ...] = ()

    def config(self, class_name: str) -> dict[str, Any]:
        """The initial state of one class; empty where the scenario leaves it at the class's default."""
        read: dict[str, Any] = json.loads(self.initial_config.get(class_name, "{}"))
        return read


@cache
def scenarios() -> tuple[Scenario, ...]:
    """All 200 scenarios in the order of the file. Raises DatasetUnusable if they are not the 200 that are expected."""
    data = _data_folder()
    answers = {entry["id"]: entry["ground_truth"] for entry in _entries(data / "possible_answer" / FILE)}
    loaded = tuple(_scenario(entry, answers) for entry in _entries(data / FILE))
    turns = sum(len(scenario.turns) for scenario in loaded)
    calls = sum(len(turn) for scenario in loaded for turn in scenario.turns)
    if (len(loaded), turns, calls) != (SCENARIOS, TURNS, CALLS):
        raise DatasetUnusable(
            f"{PACKAGE} has {len(loaded)} scenarios, {turns} turns and {calls} calls; "
            f"{SCENARIOS}, {TURNS} and {CALLS} are expected: install the version in deploy/locks/demo.txt"
        )
    return loaded


def parse_call(source: str, classes: tuple[str, ...]) -> Call:
    """One call as the file writes it, `function(1, name='x')`, with its positional arguments bound to their names."""
    node = ast.parse(source, mode="eval").body
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise DatasetUnusable(f"{source!r} is no call of a function by its name")
    function = node.func.id
    class_name = apis.owners().get(function)
    if class_name not in classes:
        raise DatasetUnusable(f"{source!r}: none of the scenario's classes {', '.join(classes)} has {function!r}")
    positional = [ast.literal_eval(value) for value in node.args]
    named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg}
    try:
        bound = apis.functions(class_name)[function].bind(*positional, **named)
    except TypeError as error:
        raise DatasetUnusable(f"{source!r} does not fit {class_name}.{function}: {error}") from error
    return Call(class_name, function, canonical_json(dict(bound.arguments)))


def _scenario(entry: dict[str, Any], answers: dict[str, list[list[str]]]) -> Scenario:
    if entry["id"] not in answers:
        raise DatasetUnusable(f"{entry['id']} has no ground truth in {PACKAGE}'s possible_answer/{FILE}")
    classes = tuple(entry["involved_classes"])
    config = {name: json.dumps(value, ensure_ascii=False) for name, value in entry["initial_config"].items()}
    turns = tuple(tuple(parse_call(call, classes) for call in turn) for turn in answers[entry["id"]])
    questions = tuple("\n".join(said["content"] for said in turn) for turn in entry["question"])
    return Scenario(entry["id"], config, classes, turns, questions)


def _data_folder() -> Path:
    try:
        found = distribution(PACKAGE).locate_file("bfcl_eval/data")
    except PackageNotFoundError as error:
        raise DatasetUnusable(
            f"the package {PACKAGE} is not installed; `pip install --no-deps -r deploy/locks/demo.txt` brings it"
        ) from error
    return Path(str(found))


def _entries(path: Path) -> list[dict[str, Any]]:
    """The file's entries; it has one JSON object a line in spite of its name."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError as error:
        raise DatasetUnusable(f"{PACKAGE} is installed without {path.name}; install it again") from error
