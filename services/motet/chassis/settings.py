"""Settings, read from MOTET_* variables when a process starts. An unknown MOTET_* name is an error: it is a misspelt one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from motet.chassis.errors import ConfigurationError

# Read by other parts than the services: the platform, the tests' crash points, each client of Kafka.
ELSEWHERE = frozenset(
    {"MOTET_CRASH_AT", "MOTET_CRASH_REPORT", "MOTET_KAFKA_LIBS", "MOTET_HOME", "MOTET_KAFKA_PROPERTIES"}
)


class Settings(BaseSettings):
    """Where the servers are and which limits a service keeps."""

    model_config = SettingsConfigDict(env_prefix="MOTET_", extra="ignore")

    kafka_bootstrap: str = Field(description="Kafka's bootstrap servers, host:port,…")
    postgres_url: str = Field(description="PostgreSQL, postgresql://user:password@host:port/database")
    schema_registry_url: str = Field(description="A registry that speaks the Confluent REST API")
    replica: int = Field(default=0, ge=0, description="This process's number within its service: its static membership")
    ready_file: Path | None = Field(
        default=None, description="Touched once the shards are claimed and what the service says at its start is out"
    )
    group_protocol: Literal["classic", "consumer"] = Field(
        default="classic",
        description="Kafka's protocol for a group's members: one for all replicas of a service",
    )
    session_timeout_ms: int = Field(
        default=10_000,
        ge=1_000,
        description="After this a silent member's shards move; with the consumer protocol the broker says it",
    )
    max_poll_interval_ms: int = Field(
        default=300_000,
        ge=1_000,
        description="A hop that takes longer loses its shards to others, as one that is silent",
    )
    batch_records: int = Field(default=500, ge=1, description="Records of all shards in one poll at most")
    unacknowledged_records: int = Field(default=20_000, ge=1, description="Produced and not acknowledged at most")
    open_plans: int = Field(
        default=5_000, ge=1, description="Open plans of a coordinator's shard before its door pauses"
    )
    open_effects: int = Field(
        default=200, ge=1, description="Open effects of a tool shard before its invocations pause"
    )
    tool_threads: int = Field(default=16, ge=1, description="Effects of a tool service that run at once")
    plan_seconds: float = Field(default=3_600.0, gt=0, description="How long a plan may take that does not say")
    unknown_seconds: float = Field(
        default=600.0, gt=0, description="So long a plan that does not say may take until it knows what its calls use"
    )
    answer_seconds: float = Field(
        default=15.0, gt=0, description="A call that was told to stop and does not answer for so long is given up"
    )
    command_window_seconds: float = Field(
        default=2_592_000.0, gt=0, description="So long a repeated command gets its first answer"
    )
    plan_calls: int = Field(default=256, ge=1, description="Calls in a plan at most")
    plan_calls_at_once: int = Field(
        default=64, ge=1, description="Calls of a plan in flight at once at most; further ones wait for a slot"
    )
    tenant_calls_at_once: int = Field(
        default=10_000,
        ge=1,
        description="Calls of a tenant in flight at once at most, in each shard of a host of plans",
    )
    command_bytes: int = Field(default=1_048_576, ge=1, description="A command's value at most")
    lease_resources: int = Field(default=16, ge=1, description="Resources of one lease at most")
    lease_seconds: float = Field(default=3_600.0, gt=0, description="A lease's duration at most; it can be renewed")
    lease_wait_seconds: float = Field(default=3_600.0, gt=0, description="How long a lease may wait at most")
    plan_lease_wait_seconds: float = Field(
        default=600.0, gt=0, description="So long a plan that does not say waits for its leases"
    )
    leases_per_holder: int = Field(default=100, ge=1, description="Open leases of one holder in a shard at most")
    leases_per_tenant: int = Field(default=10_000, ge=1, description="Open leases of one tenant in a shard at most")
    open_leases: int = Field(default=50_000, ge=1, description="Open leases of a shard before its door pauses")
    kept_moments: int = Field(
        default=8, ge=1, description="Moments of the past whose tables `motet at` keeps for the next question at most"
    )
    checkpoint_key_file: Path | None = Field(default=None, description="The private key that signs checkpoints")
    checkpoint_directory: Path | None = Field(default=None, description="Where checkpoints are kept beside the log")
    checkpoint_seconds: float = Field(default=60.0, gt=0, description="So long what is new waits to be signed at most")
    checkpoint_records: int = Field(default=20_000, ge=1, description="Records that one checkpoint adds at most")
    archive_directory: Path | None = Field(
        default=None, description="An archive (`motet archive write`), read for what Kafka has no more"
    )
    subject_keys_url: str | None = Field(
        default=None, description="The PostgreSQL that has the keys of personal values; else that of the services"
    )
    code_version: str | None = Field(
        default=None,
        max_length=100,
        description="What facts say of the code that made them; else version and digest of the source",
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def fits(self) -> Self:
        """The limits fit each other."""
        if self.max_poll_interval_ms < self.session_timeout_ms:
            raise ValueError(
                f"MOTET_MAX_POLL_INTERVAL_MS is {self.max_poll_interval_ms}, less than MOTET_SESSION_TIMEOUT_MS, which is "
                f"{self.session_timeout_ms}: raise the one or lower the other"
            )
        return self

    @property
    def keys_url(self) -> str:
        """Where the keys of personal values are."""
        return self.subject_keys_url or self.postgres_url


def load(**found: str) -> Settings:
    """The settings from the environment; `found` are values for names that it does not have.

    Raises ConfigurationError that names every variable at fault.
    """
    known = {f"MOTET_{name.upper()}" for name in Settings.model_fields} | ELSEWHERE
    unknown = sorted(name for name in os.environ if name.startswith("MOTET_") and name not in known)
    if unknown:
        raise ConfigurationError(f"unknown setting {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    try:
        missing: dict[str, Any] = {
            name: value for name, value in found.items() if f"MOTET_{name.upper()}" not in os.environ
        }
        return Settings(**missing)
    except ValidationError as error:
        # What is wrong with several at once names them itself.
        faults = "; ".join(
            ": ".join([*(f"MOTET_{str(name).upper()}" for name in fault["loc"][:1]), fault["msg"]])
            for fault in error.errors()
        )
        raise ConfigurationError(f"settings: {faults}") from error
