"""Names that are derived, never drawn: partitions by murmur2 as Java's client does, ids by SHA-256 of where a thing stands."""

from __future__ import annotations

import hashlib
from functools import lru_cache

MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's murmur2 (org.apache.kafka.common.utils.Utils.murmur2), as an unsigned 32-bit integer."""
    length = len(data)
    m = 0x5BD1E995
    h = 0x9747B28C ^ length
    for start in range(0, length - length % 4, 4):
        k = int.from_bytes(data[start : start + 4], "little") * m & MASK
        k ^= k >> 24
        h = (h * m & MASK) ^ (k * m & MASK)
    tail = data[length - length % 4 :]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & MASK
    h ^= h >> 13
    h = h * m & MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=65536)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition that Java's default partitioner gives a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def domain_key(tenant: str, domain: str) -> bytes:
    """The Kafka key of a domain."""
    return f"{tenant}/{domain}".encode()


def derived_id(service: str, shard: int, position: int) -> str:
    """The id of what a shard published at an outbox position: 32 hex digits, the same on every replay."""
    return hashlib.sha256(f"{service}/{shard}/{position}".encode()).hexdigest()[:32]
