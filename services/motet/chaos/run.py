"""Chaos from beginning to end: for each run load, quiet, faults, healing, rest, final reads, verdict; then the whole log.

Safety and liveness are judged apart. What could not be read to its end is unknown, which is not a pass.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

import psycopg

from motet.chaos import facts, judging, settling, whole
from motet.chaos.faults import FAULTS
from motet.chaos.load import Load, Operation, open_accounts
from motet.chaos.profile import Profile, Script, scripts
from motet.chaos.stage import Stage, pause, staged
from motet.chassis.errors import MotetError
from motet.client import Client
from motet.platform import ServiceSpec

TENANTS: Final = 3
# What keeps a verdict from being given.
UNKNOWN: Final = (MotetError, psycopg.Error)


@dataclass(slots=True)
class RunResult:
    """A run: what was done, what agents saw, what must not be (`violations`), what did not come to rest (`stalled`), what nobody knows."""

    number: int
    seed: str
    faults: str
    injected: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    # Median of what agents waited for plans of each kind, in milliseconds.
    waited_ms: dict[str, float] = field(default_factory=dict)
    records: int = 0
    # Until every process was there again, and from then on until nothing was behind.
    heal_seconds: float = 0.0
    rest_seconds: float = 0.0
    violations: list[str] = field(default_factory=list)
    stalled: list[str] = field(default_factory=list)
    unknown: str = ""


@dataclass(slots=True)
class Result:
    """All runs, and the verdict on the whole log."""

    profile: str
    seed: int
    runs: list[RunResult] = field(default_factory=list)
    # Faults for which this machine lacks something, and what.
    left_out: dict[str, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    unknown: str = ""
    seconds: float = 0.0

    @property
    def all_violations(self) -> int:
        """Everything that must not be, and what did not come to rest."""
        return len(self.violations) + sum(len(one.violations) + len(one.stalled) for one in self.runs)

    @property
    def all_unknown(self) -> int:
        """Verdicts that could not be given."""
        return bool(self.unknown) + sum(bool(one.unknown) for one in self.runs)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        seen = Counter[str]()
        for one in self.runs:
            seen.update(one.seen)
        return {
            "profile": self.profile,
            "seed": self.seed,
            "runs": len(self.runs),
            "faults": sum(one.injected for one in self.runs),
            "commands": seen.total(),
            "commands_seen": dict(seen),
            "violations": self.all_violations,
            "unknown": self.all_unknown,
            "seconds": round(self.seconds, 1),
            "left_out": self.left_out,
            "by_run": [asdict(one) for one in self.runs],
            "whole": {"violations": self.violations, "unknown": self.unknown},
        }


def run(
    directory: Path,
    core: Sequence[ServiceSpec],
    profile: Profile,
    names: Sequence[str],
    seed: int,
    report: Callable[[str], None],
    told: Callable[[RunResult], None],
) -> Result:
    """Everything, on servers of its own under a directory; `report` hears what begins, `told` each run as it ends."""
    result, began = Result(profile.name, seed), time.monotonic()
    with staged(directory, core, report) as stage, stage.client() as client:
        result.left_out = {name: lacks for name in names if (lacks := FAULTS[name].lacks(stage))}
        for script in scripts(profile, [name for name in names if name not in result.left_out], seed):
            report(f"run {script.number}: {script.faults}")
            result.runs.append(one_run(stage, client, script))
            told(result.runs[-1])
        report("the whole log")
        try:
            result.violations = [*whole.judge(stage)]
        except UNKNOWN as error:
            result.unknown = said(error)
        report("stopping")
    result.seconds = time.monotonic() - began
    return result


def one_run(stage: Stage, client: Client, script: Script) -> RunResult:
    """One run, to its verdict."""
    result = RunResult(script.number, script.seed, script.faults)
    tenants = [f"chaos-{script.seed.replace('/', '-')}-{number}" for number in range(TENANTS)]
    try:
        since = facts.starts(stage)
        open_accounts(client, tenants)
        with Load(stage, client, tenants, script.seed) as load:
            result.injected = break_things(stage, script)
            began = time.monotonic()
            stage.heal()
            result.heal_seconds = time.monotonic() - began
        result.rest_seconds, result.stalled = settling.settle(stage, client, tenants[0], script.seed)
        load.settle()
        found = facts.read(stage, client.codec, since, tenants)
        seen = judging.see(stage, load.operations, found, tenants)
    except UNKNOWN as error:
        result.unknown = said(error)
        return result
    result.records = found.records
    result.violations = judging.judge(seen)
    count(load.operations, result)
    return result


def said(error: Exception) -> str:
    """An error on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def break_things(stage: Stage, script: Script) -> int:
    """What a script says, one after the other; how much was done."""
    done = 0
    for number, act in enumerate(script.acts):
        pause(act.quiet_seconds)
        done += FAULTS[act.fault].act(stage, Random(f"{script.seed}/{number}"), act.seconds)  # noqa: S311  repeatable
    return done


def count(operations: Sequence[Operation], result: RunResult) -> None:
    """How often agents saw what, how plans ended, and how long they were waited for."""
    result.seen = dict(Counter(one.seen for one in operations))
    result.ends = dict(Counter(one.status or "not told" for one in operations))
    by: dict[str, list[float]] = defaultdict(list)
    for one in operations:
        by[one.kind].append(one.seconds * 1_000)
    result.waited_ms = {kind: round(median(found), 1) for kind, found in sorted(by.items())}
