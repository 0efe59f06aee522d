"""A tool's published interface, before a publisher gives it an identity and a time."""

from __future__ import annotations

from dataclasses import dataclass

from motet.chassis.canonical import canonical_json, sha256_text
from motet.records import ClaimTemplate, EffectClass, Meta, ToolContract


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

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the other fields as one canonical JSON object, which anyone can compute from the record."""
        return sha256_text(canonical_json(self.fields()))

    def fields(self) -> dict[str, object]:
        """The fields by name, as JSON values."""
        return {
            "name": self.name,
            "version": self.version,
            "toolset": self.toolset,
            "description": self.description,
            "effect": self.effect,
            "arguments_schema": self.arguments_schema,
            "result_schema": self.result_schema,
            "claims": [claim.to_avro() for claim in self.claims],
            "timeout_seconds": self.timeout_seconds,
        }

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
        )
