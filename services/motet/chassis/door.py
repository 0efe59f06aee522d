"""The door's checks: what a client's record must be before a service looks at it."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from motet.chassis import provision
from motet.chassis.codec import Codec
from motet.chassis.errors import RegistryUnavailable, Undecodable
from motet.chassis.identity import domain_key
from motet.chassis.message import Message
from motet.chassis.service import Service
from motet.records import Command, Record

TENANT: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
DOMAIN_LENGTH: Final = 200


def check(topic: str, key: bytes, record: Record) -> None:
    """Raises Undecodable for a record that is no command, or that does not belong under its key."""
    if not isinstance(record, Command) or record.FULL_NAME not in commands_of(topic):
        raise Undecodable(
            "NO_COMMAND", f"a {record.FULL_NAME} is no command of {topic}: schemas/topics.yaml lists them"
        )
    if not TENANT.fullmatch(record.tenant):
        raise Undecodable(
            "BAD_TENANT", f"tenant {record.tenant!r}: lower-case letters, digits, dot, dash, underscore, 63 at most"
        )
    if not 0 < len(record.domain) <= DOMAIN_LENGTH or not record.domain.isprintable():
        raise Undecodable("BAD_DOMAIN", f"domain {record.domain[:50]!r}: 1 to {DOMAIN_LENGTH} printable characters")
    if key != domain_key(record.tenant, record.domain):
        raise Undecodable(
            "KEY_MISMATCH",
            f"the key is {key!r} and the body says {record.tenant}/{record.domain}: they must be the same",
        )


@cache
def commands_of(topic: str) -> frozenset[str]:
    """The record types that a door takes."""
    return frozenset(provision.entry(topic).records)


def present(key: bytes | None) -> bytes:
    """The key, if there is one."""
    if key is None:
        raise Undecodable(
            "NO_KEY", "the record has no key; the key is tenant/domain, and order within a domain depends on it"
        )
    return key


def owner(key: bytes | None) -> tuple[str, str]:
    """Tenant and domain as far as a key tells them; empty where it does not."""
    tenant, slash, domain = (key or b"").decode("utf-8", "replace").partition("/")
    return (tenant, domain) if slash and TENANT.fullmatch(tenant) else ("", "")


def is_ours(service: Service, codec: Codec, message: Message) -> bool:
    """Whether a service is the one to answer for a record, as it is but for others' commands at a door that they share."""
    (source,) = (one for one in service.inputs if one.topic == message.topic)
    if not source.door:
        return True
    try:
        return service.answers(source, codec.decode(message.value))
    except Undecodable:
        return service.answers(source, None)
    except RegistryUnavailable:
        # The hop that takes it says so.
        return True
