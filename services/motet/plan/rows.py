"""A plan as its row keeps it: one JSON text. What most calls never have is left out where nothing of it is set."""

from __future__ import annotations

import json
from dataclasses import astuple
from operator import attrgetter
from typing import Any, Final

from motet.plan.model import Call, Leased, Plan, Reservation
from motet.plan.spending import Ledger
from motet.records import Claim, Failure, Policy

ALWAYS: Final = (
    *("call_id", "tool", "contract_version", "arguments", "arguments_sha256", "after", "claims", "effect", "refers"),
    *("key", "status", "outcome", "result", "result_sha256", "error", "attempt", "began"),
)
RARELY: Final = (
    *("due", "approval", "approval_seconds", "uncertain", "asked", "asks", "uncounted", "told", "lingers", "part"),
    *("undo_version", "undo", "late_result", "expected", "unknown", "slot", "leases"),
)
USUAL: Final[tuple[object, ...]] = (0, "", 0.0, False, 0, False, 0, False, "", 0, 0, False, None, {}, False, "", ())
HEAD: Final = (
    *("plan_id", "idempotency_key", "tenant", "domain", "agent", "isolation", "correlation_id", "traceparent"),
    *(
        "committed",
        "admitted",
        "deadline",
        "barrier",
        "entered",
        "released",
        "undo",
        "undoing",
        "undo_failed",
        "in_line",
        "outcome",
        "turns",
        "reservation",
        "known_by",
        "rules",
        "doubt_told",
        "workflow",
    ),
)
RESERVATION: Final = ("tenant", "domain", "asked_in", "correlation_id", "traceparent", "deadline")
in_row = attrgetter(*RESERVATION)
# ensure_ascii: PostgreSQL's text holds no NUL, and JSON's escapes hold everything.
encode = json.JSONEncoder(separators=(",", ":")).encode
always = attrgetter(*ALWAYS)
rarely = attrgetter(*RARELY)
head = attrgetter(*HEAD)
AFTER: Final = ALWAYS.index("after")
CLAIMS: Final = ALWAYS.index("claims")
ERROR: Final = ALWAYS.index("error")
LEASES: Final = RARELY.index("leases")


def to_state(plan: Plan) -> str:
    """The plan's row."""
    ledger = plan.ledger
    state = [
        head(plan),
        plan.policy.to_avro(),
        [call_fields(call) for call in plan.calls],
        plan.committed_in,
        None if ledger is None else ledger_fields(ledger),
        {index: call_fields(call) for index, call in plan.compensations.items()},
    ]
    if plan.leases:
        # A plan that waits for leases has yet to ask for what it reserves.
        reserves = [claim_fields(claim) for claim in plan.reserves]
        state.append([[astuple(one) for one in plan.leases], plan.lease_wait, plan.lease_by, reserves])
    return encode(state)


def from_state(state: str) -> Plan:
    """The plan of a row."""
    first, policy, calls, committed_in, ledger, compensations, *rare = json.loads(state)
    leases, lease_wait, lease_by, reserves = rare[0] if rare else ([], 0, 0, ())
    # A row of a former version lacks what came later.
    known = dict(zip(HEAD, first, strict=False))
    return Plan(
        **known,
        policy=Policy.from_avro(policy),
        calls=[call_from(fields) for fields in calls],
        committed_in={int(index): event_id for index, event_id in committed_in.items()},
        ledger=None if ledger is None else ledger_from(*ledger),
        compensations={int(index): call_from(fields) for index, fields in compensations.items()},
        reserves=tuple(Claim(*one) for one in reserves),
        leases=[Leased(scope, tuple(resources), *rest) for scope, resources, *rest in leases],
        lease_wait=lease_wait,
        lease_by=lease_by,
    )


def ledger_fields(ledger: Ledger) -> list[Any]:
    """A ledger as a row keeps it."""
    return [ledger.limits, ledger.reserved, ledger.spent, ledger.waiting]


def ledger_from(limits: list[int | None], reserved: list[int], spent: list[int], waiting: list[list[Any]]) -> Ledger:
    """A ledger of a row."""
    calls, cost, tokens, milliseconds = limits
    ledger = Ledger((calls, cost, tokens, milliseconds))
    (a, b, c, d), (e, f, g, h) = reserved, spent
    ledger.reserved, ledger.spent = (a, b, c, d), (e, f, g, h)
    ledger.waiting = [(str(plan_id), int(index)) for plan_id, index in waiting]
    return ledger


def call_fields(call: Call) -> list[Any]:
    """A call's part of the row."""
    fields: list[Any] = list(always(call))
    fields[CLAIMS] = [claim_fields(claim) for claim in call.claims]
    fields[ERROR] = None if call.error is None else [call.error.code, call.error.message]
    rare = rarely(call)
    return fields if rare == USUAL else [*fields, rare]


def claim_fields(claim: Claim) -> list[str]:
    """A claim as a row keeps it."""
    return [claim.resource, claim.mode, claim.operation] if claim.operation else [claim.resource, claim.mode]


def call_from(fields: list[Any]) -> Call:
    """A call of a row."""
    always, rarely = fields[: len(ALWAYS)], fields[len(ALWAYS) :]
    always[AFTER] = tuple(always[AFTER])
    always[CLAIMS] = tuple([Claim(*one) for one in always[CLAIMS]])
    always[ERROR] = None if always[ERROR] is None else Failure(*always[ERROR])
    if not rarely:
        return Call(*always)
    (rest,) = rarely
    # A row that an earlier version wrote ends sooner.
    if len(rest) > LEASES:
        rest[LEASES] = tuple(rest[LEASES])
    # Both are in the order of the class.
    return Call(*always, *rest)


def reservation_state(reservation: Reservation) -> str:
    """A reservation's row but for its id and place."""
    claims = [claim_fields(claim) for claim in reservation.claims]
    return encode([*in_row(reservation), claims, reservation.doubt])


def reservation_from(plan_id: str, entered: int, state: str) -> Reservation:
    """The reservation of a row."""
    fields = json.loads(state)
    known, (claims, *later) = fields[: len(RESERVATION)], fields[len(RESERVATION) :]
    return Reservation(
        plan_id,
        entered=entered,
        claims=tuple(Claim(*one) for one in claims),
        # A row of a former version lacks what came later.
        doubt=later[0] if later else "",
        **dict(zip(RESERVATION, known, strict=True)),
    )
