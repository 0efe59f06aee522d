"""The order of causes, as an outsider reads it: every record of every topic joined to the record that caused it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

from motet.chassis import lanes
from motet.chassis.codec import Codec
from motet.chassis.errors import Undecodable
from motet.records import Command, Merged, Meta
from world import World

DOORS: Final = ("motet.commands", "motet.lease-commands")
# What a shard does without any record: its timers for leases.
SHARD: Final = re.compile(r"[a-z-]+/[0-9]+")


def check(world: World, codec: Codec, topics: set[str]) -> Counter[tuple[str, str]]:
    """Every effect is later than its cause by their hybrid clocks, and no shard gave a value twice.

    Returns how often a type caused a type.
    """
    by_name: dict[str, tuple[str, int]] = {}
    effects: list[tuple[str, Meta]] = []
    said: dict[tuple[str, int], dict[str, int]] = {}
    for topic in sorted(topics):
        for message in world.messages(topic):
            record = decoded(codec, message.value)
            packed = lanes.packed(message.headers)
            if record is None or isinstance(record, Command) or not packed:
                continue
            meta, kind = record.meta, record.FULL_NAME.rpartition(".")[2]
            # A record that says where its cause stood, as a dead letter does.
            by_name[message.where] = by_name[meta.event_id] = (kind, meta.hlc)
            stamp = lanes.Stamp.unpack(packed)
            said.setdefault((stamp.service, stamp.shard), {})[meta.event_id] = meta.hlc
            # How a batch was merged is written down before the batch is read.
            if not isinstance(record, Merged):
                effects.append((kind, meta))
    found: Counter[tuple[str, str]] = Counter()
    for kind, meta in effects:
        if meta.causation_id in by_name:
            cause, hlc = by_name[meta.causation_id]
            assert meta.hlc > hlc, f"{kind} {meta.event_id} has {meta.hlc}, and its cause {cause} has {hlc}"
            found[cause, kind] += 1
    for shard, records in said.items():
        values = set(records.values())
        assert len(values) == len(records) or shard[0].startswith("forger"), f"{shard} gave a value twice"
    return found


def decoded(codec: Codec, value: bytes | None) -> Any:
    """A record; None for what is none."""
    try:
        return codec.decode(value)
    except Undecodable:
        return None


def check_lineage(world: World) -> set[tuple[str, str]]:
    """Every record that SQL knows leads back to a door, or to what says of itself that nothing caused it; edges by the types of both ends.

    Down from each command come exactly the records that lead up to it.
    """
    roots = world.sql(
        "SELECT l.effect, r.effect, r.type, r.topic, r.cause FROM motet.lineage AS l CROSS JOIN LATERAL "
        "(SELECT * FROM motet.causes_of(l.effect) ORDER BY step DESC LIMIT 1) AS r"
    )
    below: dict[str, set[str]] = {}
    for effect, root, kind, topic, cause in roots:
        if topic in DOORS and kind == "":
            below.setdefault(root, set()).add(effect)
        else:
            assert cause in (None, "") or SHARD.fullmatch(cause) or SHARD.fullmatch(root), (effect, root, kind, cause)
    for root, effects in below.items():
        found = world.sql("SELECT effect FROM motet.effects_of(%s)", (root,))
        assert len(found) == len(effects)
        assert {effect for (effect,) in found} == effects
    edges = "SELECT DISTINCT c.type, e.type FROM motet.lineage AS e JOIN motet.lineage AS c ON c.effect = e.cause WHERE c.hlc < e.hlc"
    return {(cause, effect) for cause, effect in world.sql(edges)}
