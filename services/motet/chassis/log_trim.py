"""What Kafka may forget: how far every group and every service has read, and the deletion of what stands below an offset."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg import sql

from motet.chassis.database import hop_schemas
from motet.chassis.errors import ConfigurationError
from motet.chassis.kafka_login import reaching
from motet.chassis.log_reader import LogUnreadable
from motet.chassis.offsets import SECONDS, Place, committed_by, place_of


def read_by_all(bootstrap: str) -> dict[Place, tuple[int, str]]:
    """The lowest offset that a group has committed, and whose it is, of each partition that a group reads: Motet's and yours.

    Raises LogUnreadable, also where a part of the answer is missing: what a group has read that could not be asked is not known.
    """
    admin = AdminClient(reaching(bootstrap) | {"log_level": 0})
    out: dict[Place, tuple[int, str]] = {}
    try:
        for group in groups_of(admin):
            for one in committed_by(bootstrap, group):
                place = place_of(one)
                if place not in out or one.offset < out[place][0]:
                    out[place] = one.offset, group
    except KafkaException as error:
        raise LogUnreadable(f"Kafka at {bootstrap} does not answer: {error.args[0].str()}") from error
    except TimeoutError as error:
        raise LogUnreadable(f"Kafka at {bootstrap} did not answer within {SECONDS:g} s") from error
    return out


def groups_of(admin: AdminClient) -> list[str]:
    """Every group's name. Raises KafkaException, also where a broker did not say which it has."""
    listed = admin.list_consumer_groups(request_timeout=SECONDS).result(SECONDS)
    for error in listed.errors:
        raise error
    return [one.group_id for one in listed.valid]


def taken_by_services(postgres_url: str) -> dict[str, dict[Place, int]]:
    """How far each service's own rows say that it is, by the name of its schema: Kafka forgets the commits of a group that was away for long.

    Raises ConfigurationError if PostgreSQL does not answer.
    """
    try:
        with psycopg.connect(postgres_url, autocommit=True, connect_timeout=10) as connection:
            query = sql.SQL("SELECT topic, partition, next_offset FROM {}")
            return {
                schema: {
                    (topic, partition): offset
                    for topic, partition, offset in connection.execute(
                        query.format(sql.Identifier(schema, "shard_offset"))
                    )
                }
                for schema in hop_schemas(connection)
            }
    except psycopg.OperationalError as error:
        raise ConfigurationError(f"PostgreSQL does not answer: {' '.join(str(error).split())}") from error


def delete_below(bootstrap: str, ends: Mapping[Place, int]) -> None:
    """Deletes what stands below an offset of each partition. Raises LogUnreadable; then what was deleted stays deleted."""
    if not ends:
        return
    admin = AdminClient(reaching(bootstrap) | {"log_level": 0})
    wanted = [TopicPartition(*place, end) for place, end in sorted(ends.items())]
    try:
        for one in admin.delete_records(wanted, request_timeout=SECONDS).values():
            one.result(SECONDS)
    except KafkaException as error:
        raise LogUnreadable(f"Kafka at {bootstrap} does not delete: {error.args[0].str()}") from error
