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
    identifier_length: int = 200
    reasons_shown: int = 50
