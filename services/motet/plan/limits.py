"""The limits of a plan. Each is visible in the configuration and named in the reason that it causes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one plan may ask for and bring back. Sizes are in UTF-8 bytes."""

    calls_per_plan: int = 256
    command_bytes: int = 1_048_576
    argument_bytes: int = 262_144
    argument_depth: int = 64
    result_bytes: int = 262_144
    inline_result_bytes: int = 524_288
    resources_per_call: int = 16
    resource_length: int = 300
    # Plans of other hosts that have resources of a shard, or wait for them.
    reservations: int = 5_000
    identifier_length: int = 200
    # What admission makes of a command may be larger than the command: 1e20 is written in full, and templates repeat arguments.
    admitted_bytes: int = 1_048_576
    # Messages quote what clients and tools wrote; an event must still hold the messages of all calls.
    message_length: int = 500
    error_bytes: int = 2_048
    faults_per_call: int = 10
    reasons_shown: int = 50
    # In flight at once, of one plan and of one tenant; the others wait for a slot.
    plan_calls_at_once: int = 64
    tenant_calls_at_once: int = 10_000
    # How long a plan may take that does not say, and that does; a call that was told to stop and does not answer is given up.
    plan_seconds: float = 3_600.0
    longest_plan_seconds: float = 2_592_000.0
    # How long it may take until it is known what the calls of a plan use.
    unknown_seconds: float = 600.0
    answer_seconds: float = 15.0
    # Leases of a plan: as the lease service bounds them, how many scopes there may be, and how long a plan waits that does not say.
    leases_per_scope: int = 16
    # Plans that wait for leases, in a shard: fewer than may be open, so that others find room.
    lease_waiters: int = 2_500
    lease_scopes: int = 8
    lease_seconds: float = 3_600.0
    lease_wait_seconds: float = 3_600.0
    plan_lease_wait_seconds: float = 600.0
