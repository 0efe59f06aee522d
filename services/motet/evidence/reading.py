"""The records of a bundle, decoded with its own schemas: no registry is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from motet.chassis.codec import Codec
from motet.chassis.errors import MotetError
from motet.evidence.bundle import Item
from motet.plan.identity import plan_id_of
from motet.records import PlanAdmitted, SubmitPlan, ToolContract


@dataclass(frozen=True, slots=True)
class Included:
    """Schemas by id, as a registry has them."""

    texts: Mapping[int, str]

    def schema_id(self, topic: str, full_name: str) -> int:
        """Nothing is written here."""
        raise MotetError(f"a bundle is read, not written: {full_name} on {topic}")

    def schema(self, schema_id: int) -> str | None:
        """The text of a schema."""
        return self.texts.get(schema_id)


@dataclass(frozen=True, slots=True)
class Told:
    """A record and what it says."""

    item: Item
    record: Any

    @property
    def event_id(self) -> str:
        """The name that others call it by as their cause: its event id, or its place."""
        meta = getattr(self.record, "meta", None)
        return self.item.message.where if meta is None else str(meta.event_id)

    @property
    def cause(self) -> str | None:
        """What caused it; None for what came from outside."""
        meta = getattr(self.record, "meta", None)
        return None if meta is None else str(meta.causation_id)


def codec(schemas: Mapping[int, str]) -> Codec:
    """Decodes with these schemas and no others."""
    return Codec(Included(schemas))


def plan_of(record: Any) -> str | None:
    """The plan that a record is about; None for one that is about none, or about several."""
    return plan_id_of(record) if isinstance(record, SubmitPlan) else getattr(record, "plan_id", None)


def contracts_named(records: list[Any]) -> set[tuple[str, int]]:
    """The contracts that a plan was admitted by."""
    admitted = [record for record in records if isinstance(record, PlanAdmitted)]
    return {(call.tool, call.contract_version) for record in admitted for call in record.calls}


def contract_of(record: Any) -> tuple[str, int] | None:
    """The tool and version that a record is the contract of."""
    return (record.name, record.version) if isinstance(record, ToolContract) else None


def in_order(told: list[Told]) -> list[Told]:
    """As things happened: by the hybrid clock where a record has one, what came from outside before what it caused."""
    clocks = {one.event_id: clock for one in told if (clock := clock_of(one)) is not None}
    earliest: dict[str, int] = {}
    for one in told:
        if one.cause is not None and one.event_id in clocks:
            earliest[one.cause] = min(earliest.get(one.cause, clocks[one.event_id]), clocks[one.event_id])

    def when(one: Told) -> tuple[int, int, str]:
        """The order."""
        clock = clocks.get(one.event_id)
        place = one.item.message
        if clock is None:
            return earliest.get(one.event_id, place.timestamp_ms << 16), 0, place.where
        return clock, 1, place.where

    return sorted(told, key=when)


def clock_of(one: Told) -> int | None:
    """A record's hybrid clock."""
    meta = getattr(one.record, "meta", None)
    return None if meta is None else int(meta.hlc)
