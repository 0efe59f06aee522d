"""What the servers' settings decide of a loss: how many copies there are of what was acknowledged, and what reaches a disk before anybody is told.

`read` asks Kafka and PostgreSQL, `judge` is pure. Motet's own part is not asked for, since nobody can set it: it produces with `acks=all`, and
its connections commit with `synchronous_commit=on` whatever the server's default is. What each setting means is Kafka's documentation of topics
and brokers, and chapter 28 of PostgreSQL's ("Reliability and the Write-Ahead Log").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined] # they are documented there, and not exported by name
    AdminClient,
    ConfigResource,
    ResourceType,
)

from motet.chassis.errors import ConfigurationError
from motet.chassis.kafka_login import reaching
from motet.chassis.offsets import is_ours

T = TypeVar("T")
SECONDS: Final = 15.0
# What each topic is asked for.
ASKED: Final = ("min.insync.replicas", "unclean.leader.election.enable")
# The topic in which Kafka keeps what groups committed.
GROUPS: Final = "__consumer_offsets"
COPIES: Final = 3
IN_SYNC: Final = 2
POSTGRES: Final = ("fsync", "full_page_writes", "synchronous_standby_names")


@dataclass(frozen=True, slots=True)
class Servers:
    """What was read: each topic's copies (of the partition that has fewest) and settings, and PostgreSQL's settings."""

    brokers: int
    copies: dict[str, int]
    topics: dict[str, Mapping[str, str]] = field(default_factory=dict)
    postgres: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """One setting: what there is, what keeps everything, and what a loss costs without it."""

    what: str
    found: str
    wanted: str
    otherwise: str
    ok: bool


def read(bootstrap: str, postgres_url: str) -> Servers:
    """Asks both. Raises ConfigurationError if one does not answer."""
    admin = AdminClient({**reaching(bootstrap), "log_level": 0})
    try:
        cluster = admin.list_topics(timeout=SECONDS)
        ours = sorted(name for name in cluster.topics if is_ours(name))
        asked = [ConfigResource(ResourceType.TOPIC, name) for name in ours]
        answers = admin.describe_configs(asked, request_timeout=SECONDS) if asked else {}
        topics: dict[str, Mapping[str, str]] = {}
        for resource, future in answers.items():
            found = future.result(timeout=SECONDS)
            topics[resource.name] = {name: str(found[name].value) for name in ASKED if name in found}
    except KafkaException as error:
        raise ConfigurationError(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from error
    copies = {
        name: min((len(one.replicas) for one in cluster.topics[name].partitions.values()), default=0)
        for name in (*ours, GROUPS)
        if name in cluster.topics
    }
    try:
        with psycopg.connect(postgres_url, connect_timeout=int(SECONDS)) as connection:
            rows = connection.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(POSTGRES),))
            return Servers(len(cluster.brokers), copies, topics, dict(rows.fetchall()))
    except psycopg.OperationalError as error:
        raise ConfigurationError(f"PostgreSQL does not answer: {' '.join(str(error).split())}") from error


def judge(servers: Servers) -> Iterator[Finding]:
    """One finding a setting, Kafka's first."""
    ours = {name: copies for name, copies in servers.copies.items() if name != GROUPS}
    fewest = min(ours.values(), default=0)
    yield Finding(
        "copies of each topic",
        f"{fewest}{named(ours, lambda copies: copies < COPIES) if fewest < COPIES else ''}; {servers.brokers} brokers",
        f"{COPIES} or more (brokers: default.replication.factor, before the topics are made)",
        "the disk of one broker has the only copy of what was acknowledged",
        fewest >= COPIES,
    )
    fewest = min((number(one, ASKED[0]) for one in servers.topics.values()), default=0)
    yield Finding(
        "copies that are waited for (min.insync.replicas)",
        str(fewest),
        f"{IN_SYNC} or more",
        "a record is acknowledged that only its leader has, and lost with it",
        fewest >= IN_SYNC,
    )
    unclean = {name: one.get(ASKED[1], "false") for name, one in servers.topics.items()}
    yield Finding(
        "leaders that lack records (unclean.leader.election.enable)",
        f"true{named(unclean, lambda said: said == 'true')}" if "true" in unclean.values() else "false",
        "false",
        "a broker that was behind leads: acknowledged records are gone, lanes break, and shards stop over it",
        "true" not in unclean.values(),
    )
    groups = servers.copies.get(GROUPS, 0)
    yield Finding(
        "copies of what groups committed",
        str(groups),
        f"{COPIES} or more (brokers: offsets.topic.replication.factor)",
        "without a group's positions each shard is refused until `motet recover`",
        groups >= COPIES,
    )
    for name, otherwise in (
        ("fsync", "a machine that loses power loses what PostgreSQL had committed, perhaps all of the database"),
        ("full_page_writes", "a page that was half written when power went is not mended"),
    ):
        found = servers.postgres.get(name, "unknown")
        yield Finding(f"PostgreSQL's {name}", found, "on", otherwise, found == "on")
    standby = servers.postgres.get("synchronous_standby_names", "")
    yield Finding(
        "a second PostgreSQL that is waited for",
        standby or "none",
        "synchronous_standby_names",
        "with its disk toolsets' own tables are as the last backup has them; Motet's own come back from the topics (`motet recover`)",
        bool(standby),
    )


def number(settings: Mapping[str, str], name: str) -> int:
    """A setting that is a number; 0 where there is none."""
    said = settings.get(name, "")
    return int(said) if said.isdigit() else 0


def named(by_topic: Mapping[str, T], is_meant: Callable[[T], bool]) -> str:
    """How many topics are meant, and one of them, for people."""
    meant = sorted(name for name, value in by_topic.items() if is_meant(value))
    return f" ({len(meant)} topics, such as {meant[0]})" if meant else ""
