"""Faults of the machine: disks that are full, clocks that are wrong."""

from __future__ import annotations

from random import Random
from typing import Final

from motet.chaos.clocks import JUMPS, RIGHT
from motet.chaos.faults.fault import Fault, now_and_then
from motet.chaos.stage import Stage, pause

FULL_SECONDS: Final = (2.0, 20.0)


def full_disk(stage: Stage, chance: Random, seconds: float) -> int:
    """Kafka's disk, or PostgreSQL's, is full for a while: the server cannot write, and stops. Then there is room again."""
    done = 0
    for left in now_and_then(chance, seconds, 1.0, 5.0):
        name = chance.choice(list(stage.volumes))
        stage.volumes[name].fill()
        pause(min(chance.uniform(*FULL_SECONDS), max(FULL_SECONDS[0], left)))
        stage.volumes[name].free()
        stage.await_back([name])
        done += 1
    return done


def clocks(stage: Stage, chance: Random, seconds: float) -> int:
    """The services' clocks jump, each by itself, an hour or two days forward or back."""
    done = 0
    for _ in now_and_then(chance, seconds, 0.1, 0.4):
        chance.choice(list(stage.clocks.values())).set(chance.choice((*JUMPS, RIGHT)))
        done += 1
    return done


FAULTS: Final = (
    Fault(
        "full-disk",
        "Kafka's or PostgreSQL's disk is full, and later is not",
        full_disk,
        lambda stage: "" if stage.volumes else "only root may mount small disks",
    ),
    Fault(
        "clocks",
        "services' clocks jump by an hour or two days, forward and back",
        clocks,
        lambda stage: (
            "" if stage.clocks else "libfaketime is not there: install Debian's package, or name it in LIBFAKETIME"
        ),
    ),
)
