"""Finding a toolset by module, by file, by attribute."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from motet.chassis.errors import ConfigurationError
from motet.tools import load

ONE = """
from motet.tools import Toolset
tools = Toolset("{name}")
@tools.tool(effect="pure")
def double(amount: int) -> int:
    return amount * 2
"""
TWO = (
    ONE
    + """
other = Toolset("other")
other.add(double, "pure")
class holder:
    inner = other
number = 7
"""
)
EMPTY = 'from motet.tools import Toolset\ntools = Toolset("empty")\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with toolsets in it; what is imported from it is forgotten afterwards."""
    (tmp_path / "motettest_one.py").write_text(ONE.format(name="one"))
    (tmp_path / "motettest_two.py").write_text(TWO.format(name="two"))
    (tmp_path / "motettest_empty.py").write_text(EMPTY)
    (tmp_path / "motettest_none.py").write_text("x = 1\n")
    (tmp_path / "motettest_broken.py").write_text("import motettest_absent\n")
    (tmp_path / "json.py").write_text("from motettest_one import tools\n")
    package = tmp_path / "motettest_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text(ONE.format(name="inner"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("motettest_one", "one"),
        ("motettest_one:tools", "one"),
        ("motettest_package.inner", "inner"),
        ("motettest_two:tools", "two"),
        ("motettest_two:other", "other"),
        ("motettest_two:holder.inner", "other"),
        ("motettest_one.py", "one"),
        ("./motettest_two.py:other", "other"),
        ("json.py", "one"),
    ],
)
def test_a_toolset_is_found(folder: Path, reference: str, name: str) -> None:
    """By module, in a package, by attribute, by file; a file finds its neighbours and hides no installed module."""
    assert load(reference).name == name
    assert load(reference) is load(reference)
    assert sys.modules["json"] is json
    assert load(str(folder / "motettest_one.py")).name == "one"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("", "names no toolset; write package.module"),
        (":tools", "names no toolset"),
        ("motettest_one:", "names no toolset"),
        ("motettest_nowhere", "there is no module 'motettest_nowhere'"),
        ("motettest_package.nowhere", "there is no module 'motettest_package.nowhere'"),
        ("motettest_one.inner", "there is no module"),
        (".motettest_one", "is relative"),
        ("nowhere.py", "there is no file"),
        ("motettest_none", "has no Toolset; write tools = Toolset"),
        ("motettest_two", "has several toolsets (tools, other); name one: motettest_two:tools"),
        ("motettest_two:third", "has no 'third'; its toolsets are tools, other"),
        ("motettest_two:number", "'number' of motettest_two is a int, not a Toolset"),
        ("motettest_none:x", "it has no Toolset at its top level"),
        ("motettest_empty", "the toolset 'empty' of motettest_empty has no tools"),
    ],
)
def test_what_is_no_toolset_is_explained(folder: Path, reference: str, said: str) -> None:
    """The message says what was looked for and what there is."""
    assert folder.is_dir()
    with pytest.raises(ConfigurationError) as caught:
        load(reference)
    assert said in str(caught.value)


def test_the_authors_own_errors_pass(folder: Path) -> None:
    """An import that fails inside the module is the author's to see, and half a module is not found by the next load."""
    with pytest.raises(ModuleNotFoundError, match="motettest_absent"):
        load("motettest_broken")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="motettest_absent"):
            load(str(folder / "motettest_broken.py"))
