"""Who decided: names of code that differ when the code does, and shapes of plans that do not differ with what is no part of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from motet.chassis import code_version
from motet.plan.identity import shape_digest
from motet.records import PlannedCall, Policy, SubmitPlan
from motet.tools import Toolset
from registers import plan_of


def test_code_is_named_by_what_is_given_or_by_its_source() -> None:
    """A given name is taken as it is; a part of its own comes behind."""
    assert code_version.of_process("release-7") == "release-7"
    assert code_version.of_process("release-7", "shop+12ab") == "release-7 shop+12ab"
    package, _, digits = code_version.of_process(None).partition("+")
    assert package[0].isdigit()
    assert len(digits) == code_version.DIGITS


def test_a_digest_is_of_names_and_contents_and_not_of_their_order(tmp_path: Path) -> None:
    """One byte more, or another name, is other code."""
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("a")
    two.write_text("b")
    known = code_version.digest([one, two])
    assert code_version.digest([two, one]) == known
    two.write_text("bb")
    assert code_version.digest([one, two]) != known
    two.write_text("b")
    assert code_version.digest([one, two.rename(tmp_path / "three.py")]) != known


def test_a_toolset_is_the_files_of_its_tools() -> None:
    """Decorated or not."""
    tools = Toolset("here")

    @tools.tool(effect="pure")
    def one() -> int:
        """One."""
        return 1

    assert one() == 1
    assert tools.sources() == {Path(__file__)}


def command(*calls: PlannedCall, key: str = "key", policy: Policy | None = None) -> SubmitPlan:
    """A plan of these calls."""
    return SubmitPlan(key, "acme", "d", "ada", "PLAN", calls, policy=policy or Policy())


def test_plans_of_one_shape_differ_in_ids_and_arguments_only() -> None:
    """Another edge, tool or policy is another shape."""
    put = PlannedCall("a", "r.put", None, '{"key":"x","n":1}', ())
    get = PlannedCall("b", "r.get", None, '{"key":"y"}', ("a",))
    known = shape_digest(plan_of(command(put, get)))
    same = (replace(put, call_id="z", arguments='{"key":"w","n":2}'), replace(get, after=("z",)))
    assert shape_digest(plan_of(command(*same, key="other"))) == known
    others = [
        command(put, replace(get, after=())),
        command(put, replace(get, tool="r.append", arguments='{"key":"y","n":1}')),
        replace(command(put, get), isolation="CALL"),
        command(put, get, policy=replace(Policy(), batch="FAIL_FAST")),
    ]
    assert len({known, *(shape_digest(plan_of(one)) for one in others)}) == len(others) + 1
