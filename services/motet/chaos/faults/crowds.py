"""Faults of too much: slow tools, bursts, no connection left, a rebuild in the middle of it."""

from __future__ import annotations

from contextlib import ExitStack
from random import Random
from typing import Final

import psycopg

from motet.chaos.faults.fault import Fault, now_and_then
from motet.chaos.stage import Stage, pause
from motet.projector.rebuild import rebuild

MOST: Final = 400
SLOW_SECONDS: Final = 5


def slow_tools(stage: Stage, chance: Random, seconds: float) -> int:
    """The service that tools call answers after 5 s, longer than some of them may take."""
    del chance
    before = len(stage.witness.requests())
    stage.witness.behave(f"delay={SLOW_SECONDS}")
    pause(seconds)
    stage.witness.behave()
    return max(1, len(stage.witness.requests()) - before)


def burst(stage: Stage, chance: Random, seconds: float) -> int:
    """Ten times the load."""
    del chance
    stage.burst.set()
    pause(seconds)
    stage.burst.clear()
    return 1


def connections(stage: Stage, chance: Random, seconds: float) -> int:
    """PostgreSQL at its limit of connections, while services lose theirs."""
    with ExitStack() as taken:
        done = 0
        for _ in now_and_then(chance, seconds, 0.2, 0.5):
            done += grab(stage, taken)
            stage.network.reset(stage.postgres)
    return done


def grab(stage: Stage, taken: ExitStack) -> int:
    """Takes every connection that is left."""
    for done in range(MOST):
        try:
            taken.enter_context(psycopg.connect(stage.addresses.postgres, autocommit=True, connect_timeout=2))
        except psycopg.OperationalError:
            return done
    return MOST


def rebuilding(stage: Stage, chance: Random, seconds: float) -> int:
    """The projections are built again and again while everything is written on, and compared with what was live."""
    done = 0
    for _ in now_and_then(chance, seconds, 0.2, 1.0):
        if not rebuild(stage.settings, lambda *_: None).equal:
            stage.found.append(
                "projections that were rebuilt while everything was written on differed from the live ones"
            )
        done += 1
    return done


FAULTS: Final = (
    Fault("slow-tools", "the service behind the tools answers after 5 s", slow_tools),
    Fault("burst", "ten times the load", burst),
    Fault("connections", "PostgreSQL at its limit of connections", connections),
    Fault("rebuild", "projections are rebuilt while everything is written", rebuilding),
)
