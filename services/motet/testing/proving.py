"""Crash-point sweeps over a toolset: the real tool service is killed at each point while it has a call, and the call's effects are counted.

For each tool a run without a crash says what one effect looks like. Then, for each point: the call is submitted while the tool service is
down; the service starts with `MOTET_CRASH_AT`, takes the call, and dies where it is told to; it starts again, and ends the call as its effect
class says. What the run added to the world is compared with what the run without a crash added.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from motet.chassis.crashpoints import POINTS
from motet.chassis.errors import ConfigurationError
from motet.chassis.waiting import NotInTime, wait_until
from motet.client import Call, Client, Outcome, PlanTimeout, Policy, Submitted
from motet.platform import Addresses
from motet.testing.observing import Rows, counted, proofs_of, what_to_write
from motet.testing.processes import ServiceEnded, ServiceProcess, Services
from motet.testing.proof import Proof
from motet.tools import Tool, Toolset, load

# Only calls outside of the transaction come by these.
OUTSIDE: Final = ("effect-started", "effect-done")
TWICE: Final = ("rows-moved", "decided", "committed", "produced", "acknowledged")
# A plan takes this long at most, beside what its tool's own time asks for.
PLAN_SECONDS: Final = 120.0
# The next owner of a call acts on it at the latest after its time twice over.
TIMES_OVER: Final = 3
# A point behind the call's end comes within this time or not at all.
BEHIND_SECONDS: Final = 3.0
REST_SECONDS: Final = 30.0
FAILING: Final = ("repeated", "lost", "untold", "open")


@dataclass(frozen=True, slots=True)
class Case:
    """One tool, killed at one point. `end` is the call's, `effects` what the run added, `one` what a run without a crash adds.

    Verdicts: `once`; `none`, for a call that failed and did nothing; `in doubt`; `not reached`, and `not observed`. Wrong are `repeated`,
    `lost` (it succeeded and did less), `untold` (it failed and did something all the same), and `open` (its plan did not end).
    """

    tool: str
    effect: str
    point: str
    end: str
    effects: int | None
    one: int | None
    verdict: str
    why: str = ""

    @property
    def wrong(self) -> bool:
        """Whether the tool, or Motet, did not keep its word."""
        return self.verdict in FAILING


@dataclass(slots=True)
class Sweep:
    """All cases, and the tools that were not tried, each with what to write."""

    toolset: str
    cases: list[Case] = field(default_factory=list)
    untried: dict[str, str] = field(default_factory=dict)
    # Tools whose proof proves nothing any more: its own example does not succeed.
    outdated: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        """How often a tool service was killed."""
        return sum(case.verdict not in ("not reached", "not observed") for case in self.cases)

    @property
    def wrong(self) -> list[Case]:
        """The cases that must not be."""
        return [case for case in self.cases if case.wrong]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        cases = [asdict(case) for case in self.cases]
        wrong = sorted({case.tool for case in self.wrong})
        return {
            "toolset": self.toolset,
            "wrong": wrong,
            "cases": cases,
            "untried": self.untried,
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be tried: tools by name and points by label, all of them where none is named."""

    tools: Sequence[str] = ()
    points: Sequence[str] = ()

    def check(self, toolset: Toolset) -> None:
        """Raises ConfigurationError for a name that is none."""
        known = {tool.name for tool in toolset.tools}
        for name in self.tools:
            if name not in known:
                raise ConfigurationError(f"there is no tool {name!r}; {toolset.name} has: {', '.join(sorted(known))}")
        for label in self.points:
            if label.partition(":")[0] not in POINTS:
                raise ConfigurationError(f"there is no point {label!r}; there are: {', '.join(POINTS)}")

    def points_of(self, tool: Tool) -> list[str]:
        """The points at which a tool is tried: those that its service comes by, unless others are named."""
        if self.points:
            return [*self.points]
        if tool.effect == "TRANSACTIONAL":
            return [label for label in POINTS if label not in OUTSIDE]
        # Outside of the transaction a call takes two hops: one that writes its intent, one that tells its end.
        return [*POINTS, *(f"{label}:2" for label in TWICE)]

    def newest(self, toolset: Toolset, proofs: dict[str, Proof]) -> list[Tool]:
        """The tools, each in the version that its proof names, else in its newest."""
        found: dict[str, Tool] = {}
        for tool in toolset.tools:
            proof = proofs.get(tool.name)
            if (not self.tools or tool.name in self.tools) and (proof is None or proof.version in (None, tool.version)):
                found[tool.name] = tool
        return [*found.values()]


def prepared(reference: str, chosen: Chosen) -> tuple[Toolset, dict[str, Proof]]:
    """A module's toolset and its proofs. Raises ConfigurationError for names that are none, and where there is nothing to try."""
    toolset = load(reference)
    chosen.check(toolset)
    proofs = proofs_of(reference, sys.modules)
    known = sorted({tool.name for tool in toolset.tools})
    stray = sorted(set(proofs) - set(known))
    if stray:
        raise ConfigurationError(f"there is a proof of {stray[0]}, and no such tool; there are: {', '.join(known)}")
    wanted = [*chosen.tools] or known
    if not proofs.keys() & set(wanted):
        why = what_to_write(None, wanted[0], "")
        raise ConfigurationError(f"{reference} has no proof of {', '.join(wanted)}, so nothing can be tried: {why}")
    return toolset, proofs


def run(addresses: Addresses, directory: Path, reference: str, chosen: Chosen, report: Callable[[str], None]) -> Sweep:
    """The sweep, on servers that are there; logs and what was killed go into the directory. `report` hears what begins.

    Raises ConfigurationError, and ServiceEnded for a tool service that does not start.
    """
    toolset, proofs = prepared(reference, chosen)
    sweep, began = Sweep(toolset.name), time.monotonic()
    with ExitStack() as stack:
        services = stack.enter_context(Services(addresses, directory))
        report("starting the coordinator and the tool service")
        services.core("coordinator")
        if any(tool.contract_fields().leases for tool in toolset.tools):
            services.core("leases")
        client = stack.enter_context(Client(addresses.kafka, addresses.registry, tenant="prove", domain="prove"))
        stage = Stage(services, client, toolset, reference, Rows(addresses.postgres, toolset))
        services.tools(toolset, reference)
        for tool in chosen.newest(toolset, proofs):
            stage.try_tool(tool, proofs.get(tool.name), chosen.points_of(tool), sweep, report)
    sweep.seconds = time.monotonic() - began
    return sweep


class Stage:
    """Running services, and one tool service that comes and goes."""

    def __init__(self, services: Services, client: Client, toolset: Toolset, reference: str, rows: Rows) -> None:
        self.services = services
        self.client = client
        self.toolset = toolset
        self.reference = reference
        self.rows = rows
        self.runs = 0
        self.hits = services.directory / "hits"

    @property
    def service(self) -> ServiceProcess:
        """The tool service's process, as it is or was."""
        return self.services.running[f"tools-{self.toolset.name}"]

    def started(self) -> ServiceProcess:
        """The tool service, ready; it is started if it does not run."""
        if self.service.alive:
            return self.service
        return self.services.start(self.service.name, "tools", "serve", self.reference)

    def try_tool(
        self, tool: Tool, proof: Proof | None, points: Sequence[str], sweep: Sweep, report: Callable[[str], None]
    ) -> None:
        """One tool at each point, after a run without a crash."""
        if proof is None or tool.contract_fields().approval:
            sweep.untried[tool.name] = (
                what_to_write(None, tool.name, tool.effect)
                if proof is None
                else "each call waits for a person: prove the function under a name without approval"
            )
            return
        report(f"{tool.name} without a crash")
        self.started()
        case = self.measured(tool, proof, "")
        if case.end != "SUCCEEDED":
            sweep.untried[tool.name] = f"without a crash its example is {case.end}: correct the proof's arguments"
            sweep.outdated.append(tool.name)
        elif not case.effects:
            why = what_to_write(proof, tool.name, tool.effect)
            sweep.cases.append(Case(tool.name, tool.effect, "", case.end, case.effects, None, "not observed", why))
        else:
            for point in points:
                report(f"{tool.name}, killed at {point}")
                try:
                    sweep.cases.append(self.measured(tool, proof, point, case.effects))
                except (ServiceEnded, NotInTime) as error:
                    # What was found up to here is worth telling, and of this tool nothing more can be.
                    sweep.cases.append(Case(tool.name, tool.effect, point, "OPEN", None, None, "open", str(error)))
                    break

    def measured(self, tool: Tool, proof: Proof, point: str, one: int | None = None) -> Case:
        """One run, and what it added to the world."""
        self.runs += 1
        arguments = proof.arguments_of(self.runs)
        before = counted(proof, arguments, tool.effect, self.rows)
        reached, end = (
            self.killed(tool, arguments, point) if point else (False, self.ended(tool, self.submit(tool, arguments)))
        )
        after = counted(proof, arguments, tool.effect, self.rows)
        added = None if before is None or after is None else after - before
        verdict = verdict_on(end, added, one)
        if point and not reached and verdict not in FAILING:
            verdict = "not reached"
        return Case(tool.name, tool.effect, point, end, added, one, verdict)

    def submit(self, tool: Tool, arguments: dict[str, Any]) -> Submitted:
        """A plan of one call, that ends in any case."""
        call = Call(tool.name, arguments, version=tool.version)
        return self.client.submit([call], policy=Policy(in_doubt="end"))

    def killed(self, tool: Tool, arguments: dict[str, Any], point: str) -> tuple[bool, str]:
        """A run whose tool service dies at a point, and is started again: whether it died there, and how the call ended."""
        self.service.stop()
        self.hits.unlink(missing_ok=True)
        plan = self.submit(tool, arguments)
        environment = {"MOTET_CRASH_AT": point if ":" in point else f"{point}:1", "MOTET_CRASH_REPORT": str(self.hits)}
        victim = self.services.launch(self.service.name, "tools", "serve", self.reference, **environment)
        ended_at = 0.0

        def over() -> bool:
            nonlocal ended_at
            if plan.future.done() and not ended_at:
                ended_at = time.monotonic()
            return not victim.alive or bool(ended_at and time.monotonic() - ended_at > BEHIND_SECONDS)

        try:
            wait_until(over, seconds_of(tool), f"{tool.name} ends, or its service dies at {point}")
        except NotInTime as error:
            raise ServiceEnded(f"{error}; {victim.name} says:\n{victim.said()}") from error
        reached = self.hits.exists()
        if not victim.alive and not reached:
            raise ServiceEnded(f"{victim.name} ended by itself with {victim.child.returncode}:\n{victim.said()}")
        # One that was not killed is armed still, and would die at another tool's call.
        victim.stop()
        self.started()
        return reached, self.ended(tool, plan)

    def ended(self, tool: Tool, plan: Submitted) -> str:
        """How a call ended, once its tool service is done with it: its outcome, and its error's code; OPEN if it did not in time."""
        try:
            outcome = plan.wait(seconds_of(tool))
            wait_until(lambda: not self.rows.intents(), REST_SECONDS, "the tool service is done with the call")
        except (PlanTimeout, NotInTime):
            return "OPEN"
        return told(outcome)


def seconds_of(tool: Tool) -> float:
    """How long a tool's plan may take."""
    return PLAN_SECONDS + TIMES_OVER * tool.timeout_seconds * tool.contract_fields().attempts


def told(outcome: Outcome) -> str:
    """The one call's end, with its code; why the plan was rejected, if it was."""
    if not outcome.results:
        return f"{outcome.status} {', '.join(one.code for one in outcome.reasons)}"
    call = outcome.results[0]
    return call.status if call.error_code is None else f"{call.status} {call.error_code}"


def verdict_on(end: str, added: int | None, one: int | None) -> str:
    """What a call's end and its effects are worth together."""
    if end == "OPEN":
        return "open"
    if added is None or one is None:
        return "not observed"
    if added > one:
        return "repeated"
    if end == "SUCCEEDED":
        return "once" if added == one else "lost"
    if end.startswith("IN_DOUBT"):
        return "in doubt"
    return "untold" if added else "none"
