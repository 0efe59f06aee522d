"""A failure made short: commands and choices are taken away as long as the same promise stays broken (delta debugging, Zeller 1999)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from motet.simulation.course import Action, Course
from motet.simulation.inputs import Asked
from motet.simulation.replaying import compare_replay
from motet.simulation.runs import BROKEN, OTHER, Kind, Total, attempt, raised, same_histories, start
from motet.simulation.scheduler import script
from motet.simulation.violations import Violation

T = TypeVar("T")
TRIALS: Final = 3_000


@dataclass(frozen=True, slots=True)
class Story:
    """The shortest run that was found: its lines, what is broken in it, and how much of it is left."""

    lines: tuple[str, ...]
    promise: str
    message: str
    asked: int
    choices: int
    trials: int


def played(
    kind: Kind, asked: Sequence[Asked], actions: Sequence[Action], *, tells: bool = False
) -> tuple[Course, str, str]:
    """Runs commands with choices, then in order to the end: the course, and the promise that is broken, if any, with what is wrong."""
    course = start(kind, asked, tells=tells)
    try:
        for action in actions:
            course.do(action)
        course.calm_down()
        if kind.replayed:
            for host in course.plan_hosts:
                compare_replay(host)
        if kind.twin:
            twin = start(kind, asked)
            twin.calm_down()
            same_histories(twin, course)
    except Violation as violation:
        return course, violation.promise, violation.message
    except BROKEN as error:
        return course, "P1", raised(error)
    return course, "", ""


class Shrinker:
    """Tries shorter runs, a bounded number of them."""

    def __init__(self, kind: Kind, promise: str) -> None:
        self.kind = kind
        self.promise = promise
        self.trials = 0

    def fails(self, asked: Sequence[Asked], actions: Sequence[Action]) -> bool:
        """Whether the same promise is broken."""
        self.trials += 1
        return played(self.kind, asked, actions)[1] == self.promise

    def shorter(self, asked: list[Asked], actions: list[Action]) -> tuple[list[Asked], list[Action]]:
        """Fewer commands, then fewer choices."""
        asked = self.fewer(asked, lambda some: self.fails(some, actions))
        return asked, self.fewer(actions, lambda some: self.fails(asked, some))

    def fewer(self, items: list[T], fails: Callable[[list[T]], bool]) -> list[T]:
        """As few of them as this finds: halves, quarters … and single ones are taken away."""
        size = max(1, len(items) // 2)
        while items:
            place = 0
            while place < len(items) and self.trials < TRIALS:
                fewer = items[:place] + items[place + size :]
                if fails(fewer):
                    items = fewer
                else:
                    place += size
            if size == 1:
                break
            size = max(1, size // 2)
        return items


def shrink(seed: int, plans: int) -> Story | None:
    """The story of a seed that fails; None if it does not fail any more."""
    kind = Kind.of(seed)
    actions: list[Action] = []
    failure = attempt(seed, plans, Total(), actions)
    if failure is None:
        return None
    promise, message = failure.promise, failure.message
    asked = script(seed, plans).asked
    shrinker = Shrinker(kind, promise)
    cut = actions.index(OTHER) if OTHER in actions else len(actions)
    actions = next((some for some in (actions[:cut], actions[cut + 1 :]) if shrinker.fails(asked, some)), [])
    if not actions and not shrinker.fails(asked, actions):
        # It takes the other run of a pair, or chance itself: told as it is.
        return Story((), promise, message, len(asked), len(actions), shrinker.trials)
    before = -1
    while before != len(asked) + len(actions) and shrinker.trials < TRIALS:
        before = len(asked) + len(actions)
        asked, actions = shrinker.shorter(asked, actions)
    course, promise, message = played(kind, asked, actions, tells=True)
    return Story(tuple(course.story or ()), promise, message, len(asked), len(actions), shrinker.trials)
