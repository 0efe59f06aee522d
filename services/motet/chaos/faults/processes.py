"""Faults of processes: killed, stopped, started again, more of them than there should be."""

from __future__ import annotations

import signal
import subprocess
import time
from random import Random
from typing import Final

from motet.chaos.faults.fault import Fault, now_and_then
from motet.chaos.stage import SESSION_SECONDS, Stage, pause
from motet.chassis.crashpoints import POINTS

# Hits of a label: the first one, the second one, and one when work is well under way.
HITS: Final = (1, 2, 40)
# A tool runs outside a transaction in one service only.
OF_TOOLS: Final = "effect-"
DEATH_SECONDS: Final = 10.0
# Two replicas that come and go beside the one that stays.
STORM: Final = 2


def kill_services(stage: Stage, chance: Random, seconds: float) -> int:
    """SIGKILL for one service after the other."""
    return sum(
        stage.send(chance.choice(stage.services), signal.SIGKILL) for _ in now_and_then(chance, seconds, 0.5, 3.0)
    )


def stop_services(stage: Stage, chance: Random, seconds: float) -> int:
    """SIGTERM: what a rolling restart does."""
    moments = now_and_then(chance, seconds, 0.5, 2.0)
    return sum(stage.strike(chance.choice(stage.services), signal.SIGTERM) for _ in moments)


def pause_service(stage: Stage, chance: Random, seconds: float) -> int:
    """SIGSTOP of a service beyond its session, while another replica takes over; then it wakes up as a zombie."""
    done = 0
    for left in now_and_then(chance, seconds, 0.1, 0.5):
        name = chance.choice(stage.services)
        process = stage.replica(name)
        pause(min(left, 2.0))
        done += stage.send(name, signal.SIGSTOP)
        pause(SESSION_SECONDS + chance.uniform(1.0, 3.0))
        stage.send(name, signal.SIGCONT)
        pause(1.0)
        stage.end(process)
    return done


def crash_points(stage: Stage, chance: Random, seconds: float) -> int:
    """A replica that dies at a labelled place, the first, the second or a later time that it comes there."""
    done = 0
    for _ in now_and_then(chance, seconds, 0.0, 0.5):
        label, hit = chance.choice(POINTS), chance.choice(HITS)
        name = "tools-chaos" if label.startswith(OF_TOOLS) else chance.choice(stage.services)
        process = stage.replica(name, MOTET_CRASH_AT=f"{label}:{hit}")
        # It gets work once the one that stays is away.
        stage.send(name, signal.SIGTERM)
        try:
            done += process.wait(DEATH_SECONDS) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            stage.end(process)
        else:
            stage.replicas.remove(process)
    return done


def rebalance(stage: Stage, chance: Random, seconds: float) -> int:
    """Replicas that come and go, so that shards move while work is under way."""
    done = 0
    name = chance.choice(stage.services)
    for left in now_and_then(chance, seconds, 0.2, 0.8):
        others = [stage.replica(name, 1 + number) for number in range(STORM)]
        pause(min(left, chance.uniform(1.5, 3.0)))
        for process in others:
            stage.end(process, chance.choice((signal.SIGTERM, signal.SIGKILL)))
            done += 1
    return done


def kill_broker(stage: Stage, chance: Random, seconds: float) -> int:
    """SIGKILL of Kafka under load; it is started again at once."""
    return struck(stage, "kafka", signal.SIGKILL, chance, seconds)


def restart_broker(stage: Stage, chance: Random, seconds: float) -> int:
    """SIGTERM of Kafka under load: its clean end, and a new start."""
    return struck(stage, "kafka", signal.SIGTERM, chance, seconds)


def kill_postgres(stage: Stage, chance: Random, seconds: float) -> int:
    """SIGKILL of PostgreSQL under load; it recovers from its log."""
    return struck(stage, "postgres", signal.SIGKILL, chance, seconds)


def struck(stage: Stage, name: str, number: signal.Signals, chance: Random, seconds: float) -> int:
    """A server gets a signal, is waited for, and after a while gets it again."""
    return sum(stage.strike(name, number) for _ in now_and_then(chance, seconds, 5.0, 40.0))


def pause_broker(stage: Stage, chance: Random, seconds: float) -> int:
    """SIGSTOP of Kafka: it answers nobody, and keeps what it has."""
    done, ends = 0, time.monotonic() + seconds
    for left in now_and_then(chance, seconds, 5.0, 20.0):
        done += stage.send("kafka", signal.SIGSTOP)
        pause(min(chance.uniform(5.0, 90.0), max(5.0, left)))
        stage.send("kafka", signal.SIGCONT)
        if time.monotonic() > ends:
            break
    return done


FAULTS: Final = (
    Fault("kill-services", "SIGKILL of any service every 0.5 to 3 s", kill_services),
    Fault("restart-services", "SIGTERM of one service after the other", stop_services),
    Fault(
        "pause-service",
        "SIGSTOP of a service beyond its session; a replica takes over, the zombie wakes",
        pause_service,
    ),
    Fault("crash-points", "a replica that dies at a labelled place, first, second or later hit", crash_points),
    Fault("rebalance", "replicas come and go, shards move with work in flight", rebalance),
    Fault("kill-broker", "SIGKILL of Kafka", kill_broker),
    Fault("restart-broker", "clean restart of Kafka", restart_broker),
    Fault("pause-broker", "SIGSTOP of Kafka for 5 to 90 s", pause_broker),
    Fault("kill-postgres", "SIGKILL of PostgreSQL every 5 to 40 s", kill_postgres),
)
