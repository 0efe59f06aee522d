"""The rules of style hold, and each of them goes red."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from tidy.style import LINES, sources, twins, violations

ROOT = Path(__file__).parent.parent.parent
PLACE = PurePath("services/motet/chassis/thing.py")


def test_the_project_keeps_its_rules() -> None:
    """Every Python file of services, tests and examples."""
    files = sources(ROOT)
    assert len(files) > 100
    found = [fault for path in files for fault in violations(path.relative_to(ROOT), path.read_text())]
    assert [*found, *twins(path.relative_to(ROOT) for path in files)] == []


def test_two_test_files_of_one_name_are_seen() -> None:
    """In two folders, where each of them by itself is run without a word."""
    (fault,) = twins(map(PurePath, ("tests/unit/test_a.py", "tests/unit/a.py", "tests/integration/test_a.py")))
    assert fault.startswith("tests/unit/test_a.py has the name of tests/integration/test_a.py")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n" * (LINES + 1), f"{LINES + 1} lines; the limit is {LINES}"),
        ("try:\n    x = 1\nexcept Exception:\n    pass\n", "thing.py:3: catches everything"),
        ("try:\n    x = 1\nexcept:\n    pass\n", "catches everything"),
        ("try:\n    x = 1\nexcept (ValueError, BaseException) as error:\n    pass\n", "catches everything"),
        ("try:\n    x = 1\nexcept builtins.Exception:\n    pass\n", "catches everything"),
        ("with contextlib.suppress(Exception):\n    x = 1\n", "catches everything"),
        ("import time\ntime.sleep(1)\n", "thing.py:2: time.sleep: await a condition"),
        ("from time import monotonic, sleep\n", "imports time.sleep"),
        ("import time\nwait = time.sleep\n", "time.sleep"),
        ("import time\ntime.time()\n", "thing.py:2: time.time: take the record's own time"),
        ("from time import monotonic, time_ns\n", "imports time.time_ns"),
        ("import datetime\nnow = datetime.datetime.now\n", "datetime.now"),
    ],
)
def test_a_violation_is_seen(text: str, said: str) -> None:
    """With its place and what to do instead."""
    (fault,) = violations(PLACE, text)
    assert said in fault


@pytest.mark.parametrize(
    "path",
    [
        *("services/motet/utils.py", "services/motet/common/thing.py", "services/motet/plan/plan_helpers.py"),
        *("services/motet/lease_manager.py", "tests/base.py", "services/motet/Helper/x.py"),
    ],
)
def test_a_forbidden_name_is_seen(path: str) -> None:
    """Files and folders, whole or in part."""
    (fault,) = violations(PurePath(path), "")
    assert "name it for the one thing that it holds" in fault


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("services/motet/chassis/guard.py", "try:\n    x = 1\nexcept Exception:\n    pass\n"),
        ("services/motet/records/generated.py", "x = 1\n" * 1_000),
        ("services/motet/chassis/thing.py", "try:\n    x = 1\nexcept (ValueError, KeyError):\n    pass\n"),
        ("services/motet/chassis/thing.py", "x = 1\n" * LINES),
        ("services/motet/chassis/database.py", "import time\ntime.monotonic()\n"),
        ("services/motet/cli/shown.py", "import time\ntime.time()\n"),
        ("tests/thing.py", "import time\ntime.time()\n"),
    ],
)
def test_what_is_allowed_is_not_seen(path: str, text: str) -> None:
    """The one broad except, the generated file, and words that only look alike."""
    assert list(violations(PurePath(path), text)) == []
