"""How much is broken, and for how long: a profile, and the runs that follow from it and a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Profile:
    """`times` runs of `seconds` for each fault alone; or, mixed, so many runs with any faults, one after the other, with quiet in between."""

    name: str
    about: str
    times: int
    seconds: float
    mixed: bool = False


PROFILES: Final = MappingProxyType(
    {
        one.name: one
        for one in (
            Profile("quick", "each fault once, 3 s: at most five minutes", 1, 3.0),
            Profile("night", "each fault 20 times, 60 s", 20, 60.0),
            Profile("release", "any faults, 30 times 300 s", 30, 300.0, mixed=True),
        )
    }
)
# How long one of several faults lasts, and how long it is quiet before the next.
LASTS_SECONDS: Final = (5.0, 20.0)
QUIET_SECONDS: Final = (2.0, 8.0)


@dataclass(frozen=True, slots=True)
class Act:
    """Quiet for a while, then one fault for a while."""

    quiet_seconds: float
    fault: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Script:
    """A run: its number, its own seed, and what happens one after the other."""

    number: int
    seed: str
    acts: tuple[Act, ...]

    @property
    def faults(self) -> str:
        """What happens, in a word or two."""
        return ", ".join(dict.fromkeys(one.fault for one in self.acts))


def scripts(profile: Profile, names: Sequence[str], seed: int) -> Iterator[Script]:
    """The runs of a profile, which follow from the seed alone."""
    number = 0
    for _ in range(profile.times):
        if profile.mixed:
            own = f"{seed}/{number}"
            yield Script(number, own, tuple(mixture(Random(own), names, profile.seconds)))  # noqa: S311  repeatable
            number += 1
            continue
        for name in names:
            yield Script(number, f"{seed}/{number}", (Act(QUIET_SECONDS[0] / 2, name, profile.seconds),))
            number += 1


def mixture(chance: Random, names: Sequence[str], seconds: float) -> Iterator[Act]:
    """Faults one after the other, until the time is over."""
    left = seconds
    while left > 0:
        act = Act(chance.uniform(*QUIET_SECONDS), chance.choice(names), chance.uniform(*LASTS_SECONDS))
        left -= act.quiet_seconds + act.seconds
        yield act
