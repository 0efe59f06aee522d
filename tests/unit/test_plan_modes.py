"""Who hosts a plan, and which plans may do without a coordinator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.chassis.errors import ConfigurationError
from motet.client import read_plan_file
from motet.modes import AGENTS, COORDINATOR, MARKS, RESULTS, answers, host_of, mode_of, results_of
from motet.plan import Plan, admit, plan_id_of
from motet.records import (
    CancelPlan,
    ClaimMode,
    ClaimTemplate,
    Compensation,
    ExpectedVersion,
    Mode,
    PlannedCall,
    Reason,
    RepairDeadLetter,
    SubmitPlan,
    ToolContract,
)
from registers import LIMITS, contract, contracts

MODES: Final[tuple[Mode, ...]] = ("ORCHESTRATED", "CHOREOGRAPHED", "HYBRID")
CLAIMS: Final[tuple[ClaimMode, ...]] = ("READ", "WRITE", "COMMUTE")


def command(mode: Mode, *tools: str, **changes: Any) -> SubmitPlan:
    """A plan of calls of some tools."""
    calls = tuple(PlannedCall(f"c{index}", tool, None, '{"key":"a"}', ()) for index, tool in enumerate(tools))
    plan = SubmitPlan("k", "acme", "d", "agent", "PLAN", calls, None, None, mode=mode)
    return replace(plan, **changes)


def test_an_orchestrated_plan_is_named_as_it_always_was() -> None:
    """The id of a command of version 1, as it was before there were modes: clients keep it."""
    assert plan_id_of(command("ORCHESTRATED", "r.get")) == "061464b5c1c7df6ae299d68bd4f66045"


@given(st.text(max_size=20), st.sampled_from(MODES), st.sampled_from(MODES))
def test_a_plan_s_id_says_who_hosts_it(key: str, one: Mode, other: Mode) -> None:
    """Whatever the key: 32 characters, the mode can be read from them, and two modes are two plans."""
    plan_id = plan_id_of(command(one, "r.get", idempotency_key=key))
    assert len(plan_id) == 32
    assert mode_of(plan_id) == one
    assert host_of(plan_id) == (AGENTS if one in MARKS else COORDINATOR)
    assert results_of(plan_id) == RESULTS[host_of(plan_id)]
    again = plan_id_of(command(other, "r.get", idempotency_key=key))
    assert (again == plan_id) == (one == other)


@given(st.sampled_from((*MODES, "UNKNOWN")), st.text(max_size=40))
def test_a_command_is_answered_by_one_host(mode: Mode, plan_id: str) -> None:
    """A plan by its mode, a command about a plan by its id, everything else by the coordinator."""
    plan = command(mode, "r.get")
    assert answers(plan) == host_of(plan_id_of(plan))
    cancel = CancelPlan("k", "acme", "d", "agent", plan_id, "")
    assert answers(cancel) == (AGENTS if plan_id.endswith(("-c", "-h")) else COORDINATOR)
    assert answers(replace(cancel, plan_id=plan_id_of(plan))) == answers(plan)
    assert answers(None) == COORDINATOR


@pytest.mark.parametrize("service", ["agents", "coordinator", "projector", "tools-bank", "nobody"])
def test_a_repair_is_ordered_by_a_host_that_runs(service: str) -> None:
    """The agents' service orders the repair of its own dead letters: it may be the only host there is."""
    order = RepairDeadLetter("k", "acme", "d", "agent", "0" * 32, service, 0, "REDRIVE", "")
    assert answers(order) == (AGENTS if service == AGENTS else COORDINATOR)


def known(*claims: tuple[str, ClaimMode]) -> ToolContract:
    """A tool with claims."""
    return contract("r.tool", claims)


def reasons(plan: SubmitPlan, *more: ToolContract) -> list[Reason]:
    """Why a plan is refused; nothing if it is admitted."""
    answer = admit(plan, plan_id_of(plan), 100, contracts(*more), LIMITS, 0)
    return [] if isinstance(answer, Plan) else list(answer)


@pytest.mark.parametrize("mode", CLAIMS)
def test_a_claim_of_any_mode_needs_a_coordinator(mode: ClaimMode) -> None:
    """The reason names the call and the resource, and says what to do; with a coordinator the same plan is admitted."""
    tool = known(("register:{key}", mode))
    (reason,) = reasons(command("CHOREOGRAPHED", "r.tool"), tool)
    assert (reason.code, reason.call_id) == ("NOT_CHOREOGRAPHABLE", "c0")
    assert f"r.tool uses register:a ({mode})" in reason.message
    assert "HYBRID or ORCHESTRATED" in reason.message
    assert reasons(command("ORCHESTRATED", "r.tool"), tool) == []


def test_calls_without_claims_need_none() -> None:
    """They share nothing with anybody, by their contract."""
    assert reasons(command("CHOREOGRAPHED", "r.tool", "r.tool"), known()) == []


def test_an_expected_version_stands_for_a_line() -> None:
    """Of each resource that the call uses; one that it does not speak of is refused."""
    tool = known(("register:{key}", "WRITE"), ("log", "WRITE"))
    for named, refused in (
        (("register:a", "log"), []),
        (("register:a",), ["log"]),
        (("register:b", "log"), ["register:a"]),
    ):
        expected = tuple(ExpectedVersion(name, 3) for name in named)
        call = PlannedCall("c0", "r.tool", None, '{"key":"a"}', (), expected_versions=expected)
        found = reasons(command("CHOREOGRAPHED", calls=(call,)), tool)
        assert [one.message.split()[2] for one in found] == refused


def test_every_call_that_may_conflict_is_named() -> None:
    """All reasons at once, as for everything else."""
    found = reasons(command("CHOREOGRAPHED", "r.get", "r.tool", "r.put"), known())
    assert [(one.code, one.call_id) for one in found] == [("NOT_CHOREOGRAPHABLE", "c0"), ("NOT_CHOREOGRAPHABLE", "c2")]


@pytest.mark.parametrize(
    ("claims", "said"), [((), None), ((ClaimTemplate("register:{key}", "WRITE"),), "undone by r.undo, which uses")]
)
def test_what_undoes_a_call_must_conflict_with_nobody_either(claims: tuple[ClaimTemplate, ...], said: str) -> None:
    """It may be asked for by whoever settles a doubt, whatever the plan's policy says."""
    doing = replace(known(), compensation=Compensation("r.undo", 1, "{}"))
    found = reasons(command("CHOREOGRAPHED", "r.tool"), doing, replace(contract("r.undo"), claims=claims))
    assert [said in one.message for one in found] == ([True] if said else [])
    (unknown,) = reasons(command("CHOREOGRAPHED", "r.tool"), doing)
    assert "of which is not known what it uses" in unknown.message


def test_a_mode_of_a_later_version_is_refused() -> None:
    """Avro reads a word that this version does not know as UNKNOWN."""
    assert [one.code for one in reasons(command("UNKNOWN", "r.get"))] == ["BAD_POLICY"]


def test_a_plan_file_says_its_mode_and_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    """Without a word it is orchestrated; a word that is none is named."""
    file = tmp_path / "plan.yaml"
    text = "tenant: acme\ndomain: d\ncalls: [{tool: r.get, arguments: {key: a}}]\n"
    file.write_text(text)
    assert read_plan_file(file).mode == "ORCHESTRATED"
    file.write_text(f"{text}mode: hybrid\n")
    assert read_plan_file(file).mode == "HYBRID"
    assert read_plan_file(file, None, "choreographed").mode == "CHOREOGRAPHED"
    file.write_text(f"{text}mode: chaotic\n")
    with pytest.raises(ConfigurationError, match=r"mode: .*'orchestrated', 'choreographed' or 'hybrid'"):
        read_plan_file(file)
