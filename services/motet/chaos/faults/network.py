"""Faults of the network between everybody and Kafka or PostgreSQL."""

from __future__ import annotations

from random import Random
from typing import Final

from motet.chaos.faults.fault import Fault, now_and_then
from motet.chaos.proxy import FINE, Proxy, Weather
from motet.chaos.stage import POLL_SECONDS, Stage, pause

LONGEST_SECONDS: Final = 60.0


def blackhole(stage: Stage, chance: Random, seconds: float) -> int:
    """Nothing passes in one direction, or in both, for 1 to 60 s."""
    done = 0
    for left in now_and_then(chance, seconds, 1.0, 4.0):
        proxy = chance.choice((stage.kafka, stage.postgres))
        up, down = chance.choice(((True, False), (False, True), (True, True)))
        proxy.weather = Weather(hole_up=up, hole_down=down)
        pause(min(chance.uniform(1.0, LONGEST_SECONDS), max(1.0, left)))
        proxy.weather = FINE
        done += 1
    return done


def long_hops(stage: Stage, chance: Random, seconds: float) -> int:
    """PostgreSQL is not heard for longer than a hop may take: Kafka takes its shards from who waits, while it waits."""
    done = 0
    for _ in now_and_then(chance, seconds, POLL_SECONDS, POLL_SECONDS * 2):
        stage.postgres.weather = Weather(hole_down=True)
        pause(POLL_SECONDS + chance.uniform(1.0, 3.0))
        stage.postgres.weather = FINE
        done += 1
    return done


def reset(stage: Stage, chance: Random, seconds: float) -> int:
    """Every connection to one of the two is cut, in the middle of whatever it carried."""
    done = 0
    for _ in now_and_then(chance, seconds, 0.3, 2.0):
        done += stage.network.reset(chance.choice((stage.kafka, stage.postgres)))
    return done


def latency(stage: Stage, chance: Random, seconds: float) -> int:
    """Everything takes 5 to 200 ms longer."""
    return during(stage, Weather(latency_seconds=chance.uniform(0.005, 0.2)), seconds, stage.kafka, stage.postgres)


def drip(stage: Stage, chance: Random, seconds: float) -> int:
    """A little at a time."""
    return during(stage, Weather(drip_bytes=chance.choice((200, 500, 1_400))), seconds, stage.kafka)


def hold_produce(stage: Stage, chance: Random, seconds: float) -> int:
    """Records arrive late, what else a client asks does not."""
    return during(stage, Weather(hold_produce_seconds=chance.uniform(0.05, 1.0)), seconds, stage.kafka)


def repeat_produce(stage: Stage, chance: Random, seconds: float) -> int:
    """Every request with records arrives twice."""
    del chance
    return during(stage, Weather(repeat_produce=True), seconds, stage.kafka)


def lose_commit(stage: Stage, chance: Random, seconds: float) -> int:
    """PostgreSQL commits, and nobody hears of it: the answer is lost, and the connection with it."""
    done = stage.postgres.done
    for _ in now_and_then(chance, seconds, 0.3, 1.0):
        stage.postgres.weather = Weather(lose_commit=True)
        pause(0.1)
        stage.postgres.weather = FINE
    return stage.postgres.done - done


def during(stage: Stage, weather: Weather, seconds: float, *proxies: Proxy) -> int:
    """A weather for some seconds; how often it did something to a frame, or one."""
    done = sum(proxy.done for proxy in proxies)
    for proxy in proxies:
        proxy.weather = weather
    pause(seconds)
    stage.network.clear()
    return max(1, sum(proxy.done for proxy in proxies) - done)


FAULTS: Final = (
    Fault("blackhole", "nothing passes to or from Kafka or PostgreSQL for 1 to 60 s", blackhole),
    Fault("long-hops", "PostgreSQL is not heard for longer than a hop may take (max.poll.interval)", long_hops),
    Fault("reset", "connections are cut in the middle of what they carry", reset),
    Fault("latency", "everything takes 5 to 200 ms longer", latency),
    Fault("drip", "Kafka's traffic arrives a few hundred bytes at a time", drip),
    Fault("hold-produce", "records reach Kafka late", hold_produce),
    Fault("repeat-produce", "every produce request reaches Kafka twice", repeat_produce),
    Fault("lose-commit", "the answer to COMMIT is lost, and the connection with it", lose_commit),
)
