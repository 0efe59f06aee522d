"""What the log has of a plan, byte for byte: to be compared between runs."""

from __future__ import annotations

from typing import Any

from motet.chassis.canonical import compact
from motet.records import CallsCommitted, CommittedCall, PlanAdmitted, PlanEnded
from world import World


def committed(world: World, plan_id: str) -> str:
    """A plan's last run: its calls in the order in which they were committed, and its end."""
    calls: list[CommittedCall] = []
    end: dict[str, Any] = {}
    for event in world.events():
        match event.record:
            case PlanAdmitted() as record if record.plan_id == plan_id:
                calls, end = [], {}
            case CallsCommitted() as record if record.plan_id == plan_id:
                calls += record.calls
            case PlanEnded() as record if record.plan_id == plan_id:
                end = {name: value for name, value in record.to_avro().items() if name != "meta"}
    assert end
    return compact([[one.to_avro() for one in calls], end])


def forget(world: World, plan_ids: list[str], toolset: str, table: str) -> None:
    """Everything is as it was before these plans: no command was answered, no effect has happened."""
    world.sql("WITH gone AS (DELETE FROM coordinator.command WHERE plan_id = ANY(%s)) SELECT 1", (plan_ids,))
    world.sql(f"WITH gone AS (DELETE FROM tools_{toolset}_hop.answer) SELECT 1")
    world.sql(f"WITH gone AS (DELETE FROM tools_{toolset}.{table}) SELECT 1")
