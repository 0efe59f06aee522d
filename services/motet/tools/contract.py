"""A tool's published interface, before a publisher gives it an identity and a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from motet.chassis.canonical import canonical_json, sha256_text
from motet.records import ClaimTemplate, Compensation, EffectClass, Meta, SlotTemplate, ToolContract

# Fields that came with version 2 of the schema, with its defaults: a contract that does not use them keeps its digest.
LATER: Final[dict[str, object]] = {
    "attempts": 3,
    "backoff_seconds": 0.5,
    "backoff_limit_seconds": 30.0,
    "deadline_seconds": None,
    "heartbeat_seconds": None,
    "window_seconds": 86_400.0,
    "compensation": None,
    "approval": False,
    "approval_seconds": 3_600.0,
    "cost_micros": 0,
    "tokens": 0,
    "breaker_failures": 0,
    "breaker_reset_seconds": 30.0,
    "at_once": 0,
    "at_once_per": (),
    "leases": (),
    "lease_seconds": 300.0,
}


@dataclass(frozen=True, slots=True)
class Contract:
    """The fields of `motet.contracts.ToolContract` but for `meta`. The schemas are canonical JSON."""

    name: str
    version: int
    toolset: str
    description: str
    effect: EffectClass
    arguments_schema: str
    result_schema: str
    claims: tuple[ClaimTemplate, ...]
    timeout_seconds: float
    attempts: int = 3
    backoff_seconds: float = 0.5
    backoff_limit_seconds: float = 30.0
    deadline_seconds: float | None = None
    heartbeat_seconds: float | None = None
    window_seconds: float = 86_400.0
    compensation: Compensation | None = None
    approval: bool = False
    approval_seconds: float = 3_600.0
    cost_micros: int = 0
    tokens: int = 0
    breaker_failures: int = 0
    breaker_reset_seconds: float = 30.0
    at_once: int = 0
    at_once_per: tuple[SlotTemplate, ...] = ()
    leases: tuple[str, ...] = ()
    lease_seconds: float = 300.0

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the other fields as one canonical JSON object, which anyone can compute from the record."""
        return sha256_text(canonical_json(self.fields()))

    def fields(self) -> dict[str, object]:
        """The fields by name, as JSON values; what came later only where it says something."""
        later = {name: getattr(self, name) for name, default in LATER.items() if getattr(self, name) != default}
        if self.compensation is not None:
            later["compensation"] = self.compensation.to_avro()
        if self.at_once_per:
            later["at_once_per"] = [one.to_avro() for one in self.at_once_per]
        if self.leases:
            later["leases"] = list(self.leases)
        return {
            "name": self.name,
            "version": self.version,
            "toolset": self.toolset,
            "description": self.description,
            "effect": self.effect,
            "arguments_schema": self.arguments_schema,
            "result_schema": self.result_schema,
            "claims": [self.claim_fields(claim) for claim in self.claims],
            "timeout_seconds": self.timeout_seconds,
            **later,
        }

    @staticmethod
    def claim_fields(claim: ClaimTemplate) -> dict[str, object]:
        """A resource; its operation, which came later, only where there is one."""
        return {name: value for name, value in claim.to_avro().items() if value or name != "operation"}

    def record(self, meta: Meta) -> ToolContract:
        """The record to publish."""
        return ToolContract(
            meta=meta,
            name=self.name,
            version=self.version,
            toolset=self.toolset,
            description=self.description,
            effect=self.effect,
            arguments_schema=self.arguments_schema,
            result_schema=self.result_schema,
            claims=self.claims,
            timeout_seconds=self.timeout_seconds,
            sha256=self.sha256,
            **{name: getattr(self, name) for name in LATER},
        )
