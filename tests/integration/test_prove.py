"""Proofs of tools: the real service is killed, what honours its key did it once, what does not is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from typer.testing import CliRunner

from guide import typed
from motet import Toolset
from motet.chassis.errors import ConfigurationError
from motet.cli.prove import prove
from motet.platform import Addresses, Platform
from motet.testing import Proof, proving
from motet.testing.observing import named, what_to_write
from motet.testing.proving import Case, Chosen, Sweep, verdict_on
from page import written
from world import with_topics

ROOT: Final = Path(__file__).parents[2]
MODULE: Final = str(Path(__file__).with_name("proved_tools.py"))
PAGE: Final = ROOT / "docs" / "testing.md"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The tools have a world of this file's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROVED_WORLD", str(tmp_path_factory.mktemp("world") / "world.jsonl"))
        yield


def swept(addresses: Addresses, directory: Path, chosen: Chosen) -> Sweep:
    """A sweep on the session's servers."""
    return proving.run(with_topics(addresses), directory, MODULE, chosen, lambda _: None)


def told(sweep: Sweep) -> dict[tuple[str, str], tuple[str, int | None, str]]:
    """What came of each case."""
    return {(case.tool.partition(".")[2], case.point): (case.end, case.effects, case.verdict) for case in sweep.cases}


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("environment")
def test_a_tool_that_repeats_its_effect_is_named(addresses: Addresses, tmp_path: Path) -> None:
    """Killed when the effect is done: the honest ones did it once, the dishonest one twice, and a letter is in doubt."""
    sweep = swept(addresses, tmp_path, Chosen(points=["effect-done"]))
    assert told(sweep) == {
        ("enter", "effect-done"): ("SUCCEEDED", 1, "not reached"),
        ("pay", "effect-done"): ("SUCCEEDED", 1, "once"),
        ("careless", "effect-done"): ("SUCCEEDED", 2, "repeated"),
        ("mail", "effect-done"): ("IN_DOUBT CRASHED", 1, "in doubt"),
        ("wire", "effect-done"): ("SUCCEEDED", 1, "once"),
        ("look", ""): ("SUCCEEDED", None, "not observed"),
    }
    assert [case.tool for case in sweep.wrong] == ["proved.careless"]
    assert {name.partition(".")[2]: why.partition(":")[0] for name, why in sweep.untried.items()} == {
        "refuse": "without a crash its example is FAILED NO",
        "gift": "each call waits for a person",
        "forgotten": "no proof",
    }
    assert sweep.as_json()["wrong"] == ["proved.careless"]


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("environment")
def test_a_transaction_is_counted_by_its_rows(addresses: Addresses, tmp_path: Path) -> None:
    """Killed when the row is written and not committed, when it is committed and not told, and when a shard is claimed."""
    points = ["decided", "committed", "claimed"]
    sweep = swept(addresses, tmp_path, Chosen(["proved.enter"], points))
    assert told(sweep) == {("enter", point): ("SUCCEEDED", 1, "once") for point in points}


@pytest.mark.timeout(600)
def test_the_page_is_typed(tmp_path: Path) -> None:
    """On servers of its own: what docs/testing.md shows, and the exit code of a tool that repeats its effect."""
    (command,) = (one for one in typed(PAGE.read_text()) if one.command.startswith("motet prove "))
    written(PAGE, tmp_path)
    program = "import typer; from motet.cli.prove import prove; typer.run(prove)"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOTET_")}
    libraries = {name: os.environ[name] for name in ("MOTET_KAFKA_LIBS",) if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", program, *command.command.split()[2:]],
        cwd=tmp_path,
        env=kept | libraries,
        capture_output=True,
        text=True,
        check=False,
    )
    assert command.says(done.stdout), done.stdout + done.stderr
    assert done.returncode == 1
    assert not (tmp_path / ".motet" / "prove").exists()


# -- the command ---------------------------------------------------------------------------------------------------------------


class NoPlatform:
    """Stands for servers, where none is asked anything."""

    addresses = Addresses("kafka", "postgresql://nobody", "http://nowhere")

    def down(self) -> None:
        """Nothing runs."""


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """What the command says and how it ends, for a sweep that came to these cases."""
    app = typer.Typer()
    app.command()(prove)
    monkeypatch.setenv("MOTET_HOME", str(tmp_path))
    monkeypatch.setattr(Platform, "up", lambda *_, **__: NoPlatform())

    def run(cases: list[Case], *arguments: str) -> Any:
        sweep = Sweep("proved", cases, {"proved.forgotten": "no proof"}, seconds=1.0)
        monkeypatch.setattr(proving, "run", lambda *_: sweep)
        return CliRunner().invoke(app, [MODULE, *arguments])

    return run


def case(verdict: str, effects: int = 1) -> Case:
    """One case."""
    return Case("proved.pay", "IDEMPOTENT", "effect-done", "SUCCEEDED", effects, 1, verdict)


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        *((verdict, 0) for verdict in ("once", "in doubt", "none")),
        ("not reached", 2),
        *((verdict, 1) for verdict in ("repeated", "lost", "untold", "open")),
    ],
)
def test_the_exit_code_says_whether_anything_is_wrong(said: Callable[..., Any], verdict: str, code: int) -> None:
    """For CI."""
    result = said([case(verdict)])
    assert result.exit_code == code
    assert ("wrong: proved.pay" in result.output) == (code == 1)
    assert ("no tool was killed" in result.output) == (code == 2)
    assert "not tried: proved.forgotten: no proof" in result.output


def test_programs_read_json(said: Callable[..., Any]) -> None:
    """One value on standard output."""
    found = json.loads(said([case("repeated", 2)], "--json").stdout)
    assert (found["wrong"], found["cases"][0]["effects"]) == (["proved.pay"], 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tool", "proved.nobody"], "there is no tool 'proved.nobody'; proved has: proved.careless"),
        (["--point", "nowhere"], "there is no point 'nowhere'; there are: batch-polled"),
        (["--tool", "proved.forgotten"], r"has no proof of proved.forgotten.*write proofs = \[Proof\("),
    ],
)
def test_a_name_that_is_none_is_told_before_any_server_starts(
    said: Callable[..., Any], arguments: list[str], message: str
) -> None:
    """With those that are there."""
    result = said([], *arguments)
    assert isinstance(result.exception, ConfigurationError)
    with pytest.raises(ConfigurationError, match=message):
        raise result.exception


def test_given_servers_are_left_alone(said: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof kills services of a toolset that may be in use there."""
    monkeypatch.setenv("MOTET_POSTGRES_URL", "postgresql://theirs")
    assert "it starts servers of its own" in str(said([]).exception)


# -- what is counted -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "added", "one", "verdict"),
    [
        ("SUCCEEDED", 1, 1, "once"),
        ("SUCCEEDED", 2, 2, "once"),
        ("SUCCEEDED", 2, 1, "repeated"),
        ("SUCCEEDED", 0, 1, "lost"),
        ("SUCCEEDED", 1, 2, "lost"),
        ("IN_DOUBT CRASHED", 0, 1, "in doubt"),
        ("IN_DOUBT CRASHED", 1, 1, "in doubt"),
        ("IN_DOUBT CRASHED", 2, 1, "repeated"),
        ("FAILED TOO_LATE", 0, 1, "none"),
        ("FAILED NO", 1, 1, "untold"),
        ("FAILED NO", 2, 1, "repeated"),
        ("SUCCEEDED", None, 1, "not observed"),
        ("OPEN", 1, 1, "open"),
    ],
)
def test_a_verdict_follows_from_end_and_effects(end: str, added: int | None, one: int | None, verdict: str) -> None:
    """Each of them."""
    assert verdict_on(end, added, one) == verdict


def test_proofs_are_a_list_or_a_mapping() -> None:
    """A mapping has proofs, or arguments alone."""
    proof = Proof("a.b", {"x": 1})
    assert named([proof], "m") == named({"a.b": proof}, "m") == named({"a.b": {"x": 1}}, "m") == {"a.b": proof}
    with pytest.raises(ConfigurationError, match="two proofs of one tool"):
        named([proof, proof], "m")
    with pytest.raises(ConfigurationError, match="`proofs` of m is a str"):
        named("a.b", "m")
    assert Proof("a.b", lambda run: {"run": run}).arguments_of(3) == {"run": 3}


@pytest.mark.parametrize("effect", ["PURE", "TRANSACTIONAL", "IDEMPOTENT"])
def test_what_cannot_be_seen_is_told_how_to(effect: str) -> None:
    """In a sentence for its author."""
    assert "effects" in what_to_write(Proof("a.b"), "a.b", effect)
    assert "count where the tool acts" in what_to_write(Proof("a.b", effects=lambda _: 0), "a.b", effect)


def test_a_proof_of_no_tool_is_told(tmp_path: Path) -> None:
    """A misspelt name would leave a tool untried."""
    module = tmp_path / "misspelt_tools.py"
    module.write_text(
        "from motet import Toolset\nfrom motet.testing import Proof\ntools = Toolset('misspelt')\n\n\n"
        "@tools.tool(effect='pure')\ndef look() -> int:\n    return 1\n\n\nproofs = [Proof('misspelt.lok')]\n"
    )
    with pytest.raises(
        ConfigurationError, match=r"a proof of misspelt\.lok, and no such tool; there are: misspelt\.look"
    ):
        proving.prepared(str(module), Chosen())


def test_effects_is_a_number() -> None:
    """Anything else is told."""
    from motet.testing.observing import Rows, counted  # noqa: PLC0415  for this test alone

    def wrong(_: Mapping[str, Any]) -> Any:
        return "one"

    rows = Rows("postgresql://nobody", Toolset("a"))
    with pytest.raises(ConfigurationError, match="returned 'one': it returns a number"):
        counted(Proof("a.b", effects=wrong), {}, "PURE", rows)
