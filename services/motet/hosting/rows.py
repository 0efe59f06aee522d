"""The coordinator's rows: open plans, contracts, agents' budgets, tools' breakers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from motet.chassis.canonical import compact
from motet.chassis.service import Opening
from motet.plan import Contracts, Limits, Plan, Reservation, Schedule, from_state, to_state
from motet.plan.breaker import Breaker
from motet.plan.rows import ledger_fields, ledger_from, reservation_from, reservation_state
from motet.records import ToolContract


def load(opening: Opening, limits: Limits) -> Schedule:
    """The schedule of a shard as its rows say."""
    connection, place = opening.connection, (opening.partition,)
    contracts = Contracts()
    for (record,) in connection.execute(
        "SELECT record FROM contract WHERE partition = %s ORDER BY name, version", place
    ):
        contracts.add(opening.decode(record))
    plans = connection.execute("SELECT state FROM open_plan WHERE partition = %s ORDER BY sequence, plan_id", place)
    schedule = Schedule.restore([from_state(state) for (state,) in plans], limits, contracts, reserved(opening))
    guards = schedule.board.guards
    for *owner, state in connection.execute(
        "SELECT tenant, domain, agent, state FROM budget WHERE partition = %s", place
    ):
        tenant, domain, agent = owner
        guards.ledgers[tenant, domain, agent] = ledger_from(*json.loads(state))
    for tool, *columns in connection.execute(
        "SELECT tool, failures, until, probe FROM breaker WHERE partition = %s", place
    ):
        guards.breakers[tool] = Breaker(*columns)
    return schedule


def reserved(opening: Opening) -> list[Reservation]:
    """What plans of other hosts have of a shard's resources, or wait for."""
    found = opening.connection.execute(
        "SELECT plan_id, entered, state FROM reservation WHERE partition = %s ORDER BY entered", (opening.partition,)
    )
    return [reservation_from(plan_id, entered, state) for plan_id, entered, state in found]


def save_contract(opening: Opening, contract: ToolContract, value: bytes) -> None:
    """Keeps a contract as it was read."""
    opening.connection.execute(
        "INSERT INTO contract (partition, name, version, record) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (opening.partition, contract.name, contract.version, value),
    )


def save(opening: Opening, schedule: Schedule) -> None:
    """Writes what changed since the last time, each kind in one statement; deletes plans of which nothing is open."""
    changed = schedule.take_changed()
    save_plans(opening, [plan for plan in changed if not plan.finished])
    finished = sorted(plan.plan_id for plan in changed if plan.finished)
    if finished:
        opening.connection.execute(
            "DELETE FROM open_plan WHERE partition = %s AND plan_id = ANY(%s)", (opening.partition, finished)
        )
    save_reservations(opening, schedule)
    guards = schedule.board.guards
    if guards.ledgers_changed:
        rows: list[list[Any]] = [
            [*owner, compact(ledger_fields(guards.ledgers[owner]))] for owner in sorted(guards.ledgers_changed)
        ]
        guards.ledgers_changed.clear()
        opening.connection.execute(
            "INSERT INTO budget (partition, tenant, domain, agent, state) "
            "SELECT %s, r ->> 0, r ->> 1, r ->> 2, r ->> 3 FROM json_array_elements(%s::json) AS r "
            "ON CONFLICT (partition, tenant, domain, agent) DO UPDATE SET state = excluded.state",
            (opening.partition, compact(rows)),
        )
    if guards.breakers_changed:
        tools = [(tool, guards.breakers[tool]) for tool in sorted(guards.breakers_changed)]
        guards.breakers_changed.clear()
        rows = [[tool, one.failures, one.until, one.probe] for tool, one in tools]
        opening.connection.execute(
            "INSERT INTO breaker (partition, tool, failures, until, probe) "
            "SELECT %s, r ->> 0, (r ->> 1)::int, (r ->> 2)::bigint, r ->> 3 FROM json_array_elements(%s::json) AS r "
            "ON CONFLICT (partition, tool) DO UPDATE SET failures = excluded.failures, until = excluded.until, probe = excluded.probe",
            (opening.partition, compact(rows)),
        )


def save_plans(opening: Opening, plans: Sequence[Plan]) -> None:
    """Writes open plans."""
    if plans:
        opening.connection.execute(
            "INSERT INTO open_plan (partition, plan_id, sequence, state) "
            "SELECT %s, r ->> 0, (r ->> 1)::bigint, r ->> 2 FROM json_array_elements(%s::json) AS r "
            "ON CONFLICT (partition, plan_id) DO UPDATE SET state = excluded.state",
            (opening.partition, compact([[plan.plan_id, plan.sequence, to_state(plan)] for plan in plans])),
        )


def save_reservations(opening: Opening, schedule: Schedule) -> None:
    """Writes what plans of other hosts got in line, and forgets what they gave back."""
    lines = schedule.board.lines
    changed, lines.reservations_changed = lines.reservations_changed, {}
    gone = sorted(plan_id for plan_id, one in changed.items() if one is None)
    if gone:
        opening.connection.execute(
            "DELETE FROM reservation WHERE partition = %s AND plan_id = ANY(%s)", (opening.partition, gone)
        )
    new = [[plan_id, one.entered, reservation_state(one)] for plan_id, one in changed.items() if one is not None]
    if new:
        opening.connection.execute(
            "INSERT INTO reservation (partition, plan_id, entered, state) "
            "SELECT %s, r ->> 0, (r ->> 1)::bigint, r ->> 2 FROM json_array_elements(%s::json) AS r "
            "ON CONFLICT (partition, plan_id) DO UPDATE SET state = excluded.state",
            (opening.partition, compact(new)),
        )
