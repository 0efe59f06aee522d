"""The project's own rules of style: what ruff does not know. Each function yields its violations, with what to do instead."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Final

LINES: Final = 420
# The one broad `except`, and the one file that a program writes.
BROAD_ALLOWED: Final = "motet/chassis/guard.py"
GENERATED: Final = "motet/records/generated.py"
FORBIDDEN: Final = ("utils", "util", "common", "helpers", "helper", "manager", "managers", "base", "misc")
BROAD: Final = ("Exception", "BaseException")
# Where people read times; nothing that decides may ask its machine.
SHOWS_TIMES: Final = ("motet/cli/", "motet/platform/")
WALL_CLOCKS: Final = {"time": ("time", "time_ns"), "datetime": ("now", "utcnow", "today"), "date": ("today",)}


def sources(root: Path) -> list[Path]:
    """Every Python file of the project."""
    return sorted(path for folder in ("services", "tests", "examples") for path in (root / folder).rglob("*.py"))


def violations(path: PurePath, text: str) -> Iterator[str]:
    """What is wrong with one file."""
    where = path.as_posix()
    tree = ast.parse(text)
    yield from (f"{where}: {fault}" for fault in names(path))
    if not where.endswith(GENERATED):
        yield from (f"{where}: {fault}" for fault in length(text))
    if not where.endswith(BROAD_ALLOWED):
        yield from (f"{where}:{fault}" for fault in broad_excepts(tree))
    yield from (f"{where}:{fault}" for fault in sleeps(tree))
    if "services/motet/" in where and not any(place in where for place in SHOWS_TIMES):
        yield from (f"{where}:{fault}" for fault in wall_clocks(tree))


def twins(paths: Iterable[PurePath]) -> Iterator[str]:
    """Test files of one name: pytest imports them by it, and takes only one of them in a run of everything."""
    seen: dict[str, PurePath] = {}
    for path in sorted(paths):
        if path.name.startswith("test_") and seen.setdefault(path.name, path) != path:
            yield f"{path} has the name of {seen[path.name]}: give it one of its own"


def names(path: PurePath) -> Iterator[str]:
    """Folders and files are called for what they hold."""
    for part in (*path.parent.parts, path.stem):
        words = part.lower().split("_")
        if found := [word for word in words if word in FORBIDDEN]:
            yield f"{part!r} is called {', '.join(found)}: name it for the one thing that it holds"


def length(text: str) -> Iterator[str]:
    """A file is one noun, which fits into some 400 lines."""
    lines = text.count("\n")
    if lines > LINES:
        yield f"{lines} lines; the limit is {LINES}: take a noun out of it"


def broad_excepts(tree: ast.AST) -> Iterator[str]:
    """Catching everything hides defects; `guard.attempt` is the one place that does."""
    caught: list[tuple[int, ast.expr | None]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            caught += [(node.lineno, kind) for kind in kinds]
        elif isinstance(node, ast.Call) and last_name(node.func) == "suppress":
            caught += [(node.lineno, kind) for kind in node.args]
    for line, kind in caught:
        if kind is None or last_name(kind) in BROAD:
            yield f"{line}: catches everything: name the errors, or call chassis.guard.attempt"


def sleeps(tree: ast.AST) -> Iterator[str]:
    """Waiting for time is waiting for nothing: there is always a condition."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "time"
            and any(one.name == "sleep" for one in node.names)
        ):
            yield f"{node.lineno}: imports time.sleep: await a condition with a deadline (chassis.waiting)"
        if isinstance(node, ast.Attribute) and node.attr == "sleep" and last_name(node.value) == "time":
            yield f"{node.lineno}: time.sleep: await a condition with a deadline (chassis.waiting)"


def wall_clocks(tree: ast.AST) -> Iterator[str]:
    """Clocks of machines jump. The time that counts is the log's."""
    instead = "take the record's own time, or `chassis.log_clock`; durations are `time.monotonic`"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            names = [one.name for one in node.names if one.name in WALL_CLOCKS["time"]]
            yield from (f"{node.lineno}: imports time.{name}: {instead}" for name in names)
        if isinstance(node, ast.Attribute) and node.attr in WALL_CLOCKS.get(last_name(node.value), ()):
            yield f"{node.lineno}: {last_name(node.value)}.{node.attr}: {instead}"


def last_name(node: ast.expr) -> str:
    """`Exception` of `builtins.Exception`; empty for what is no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
