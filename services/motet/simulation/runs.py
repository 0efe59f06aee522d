"""Runs: one seed each, and what many of them come to."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from random import Random
from typing import Final

from motet.simulation.course import Action, Course
from motet.simulation.inputs import Asked, Mix, mix_of
from motet.simulation.replaying import compare_replay
from motet.simulation.scheduler import Driver, script
from motet.simulation.violations import Violation

# What a decider raises that is broken: it must not, so this is a failure like any other.
BROKEN: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)
# Of 64 seeds so many have their rows written and compared at each commit, are replayed from their journal, and are run again with the
# same commands in another order of everything else.
CAREFUL, REPLAYED, TWINS = (5, 31, 43), (8, 13, 23, 27), (12, 49)
EVERY: Final = 64
# What stands between the choices of a run and those of its twin.
OTHER: Final[Action] = ("twin", 0)
COLLECT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed's run in which a promise was broken: everything that is needed to have it again."""

    seed: int
    plans: int
    promise: str
    message: str


@dataclass(slots=True)
class Total:
    """What runs come to."""

    runs: int = 0
    plans: int = 0
    calls: int = 0
    deliveries: int = 0
    faults: int = 0
    crashes: int = 0
    repeats: int = 0
    steps: int = 0
    careful: int = 0
    replays: int = 0
    twins: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Total) -> None:
        """Counts others in."""
        for one in fields(self):
            if one.name != "failures":
                setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        self.failures += other.failures

    def count(self, course: Course) -> None:
        """Counts one run in."""
        self.runs += 1
        self.plans += len(course.judge.watches)
        self.calls += sum(len(watch.template.heads) for watch in course.judge.watches.values())
        self.deliveries += course.deliveries
        self.faults += course.faults
        self.crashes += sum(one.crashes for one in course.services) + sum(one.crashes for one in course.hosts.values())
        self.repeats += sum(lane.repeats for one in course.services for lane in (*one.inputs, *one.outputs))
        self.steps += course.steps


@dataclass(slots=True)
class Kind:
    """What is done with a seed's run beyond running it."""

    seed: int
    mix: Mix
    careful: bool
    replayed: bool
    twin: bool

    @staticmethod
    def of(seed: int) -> Kind:
        """By the seed."""
        mix, place = mix_of(seed), seed % EVERY
        return Kind(seed, mix, place in CAREFUL, place in REPLAYED, place in TWINS and mix.name == "tame")


def start(kind: Kind, asked: Sequence[Asked], *, tells: bool = False) -> Course:
    """A course of a kind."""
    return Course(asked, kind.mix, careful=kind.careful, keeps=kind.replayed, twin=kind.twin, tells=tells)


def chance_of(seed: int) -> Random:
    """The scheduler's chance."""
    return Random(f"steps {seed}")  # noqa: S311  no secret


def run(
    seed: int, plans: int, total: Total, chosen: list[Action] | None = None, story: list[str] | None = None
) -> Course:
    """One run. Raises Violation, or whatever a broken decider raises; `chosen` gets what the scheduler chose, `story` what happened."""
    kind = Kind.of(seed)
    asked = script(seed, plans).asked
    course = start(kind, asked)
    course.story = story
    driver = Driver(course, chance_of(seed), kind.mix, plans, chosen)
    driver.run()
    if kind.careful:
        total.careful += 1
    if kind.replayed:
        total.replays += 1
        for host in course.plan_hosts:
            compare_replay(host)
    if kind.twin:
        total.twins += 1
        twin = start(kind, asked)
        if chosen is not None:
            # Should they differ, either may be the one to tell of.
            chosen.append(OTHER)
        Driver(twin, chance_of(-seed - 1), kind.mix, plans, chosen).run()
        same_histories(course, twin)
    total.count(course)
    return course


def same_histories(one: Course, other: Course) -> None:
    """P4: what plans' terminal events say, in bytes, does not depend on who overtook whom."""
    histories, others = one.coordinator.histories or {}, other.coordinator.histories or {}
    for plan_id, history in histories.items():
        found = others.get(plan_id)
        if found != history:
            raise Violation("P4", f"plan {plan_id} in another order of events: expected {history}, found {found}")


def attempt(
    seed: int, plans: int, total: Total, chosen: list[Action] | None = None, story: list[str] | None = None
) -> Failure | None:
    """One run, and what is wrong with it."""
    try:
        run(seed, plans, total, chosen, story)
    except Violation as violation:
        return Failure(seed, plans, violation.promise, violation.message)
    except BROKEN as error:
        return Failure(seed, plans, "P1", raised(error))
    return None


def raised(error: Exception) -> str:
    """What a decider raised that must not raise."""
    return f"a decider raised {type(error).__name__}: {error}"


def tell(seed: int, plans: int) -> tuple[list[str], Failure | None]:
    """The story of a run, and what is wrong with it."""
    lines: list[str] = []
    failure = attempt(seed, plans, Total(), None, lines)
    return lines, failure


def run_many(seeds: Iterable[int], plans: int) -> Total:
    """Runs of many seeds. A failure ends its own run only."""
    total = Total()
    enabled = gc.isenabled()
    # A run leaves no cycles behind; looking for them costs a tenth of the time.
    gc.disable()
    try:
        for count, seed in enumerate(seeds):
            failure = attempt(seed, plans, total)
            if failure is not None:
                total.runs += 1
                total.failures.append(failure)
            if count % COLLECT == COLLECT - 1:
                gc.collect()
    finally:
        if enabled:
            gc.enable()
    return total
