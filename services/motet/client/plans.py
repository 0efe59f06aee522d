"""Plans as people write them, in Python or in a YAML file, turned into the command that Kafka carries."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from motet.chassis.canonical import NotCanonical, canonical_json
from motet.chassis.errors import ConfigurationError
from motet.client.policy import Budget, Policy
from motet.records import ExpectedVersion, PlannedCall, SubmitPlan
from motet.records import Mode as RecordMode

# Who coordinates a plan: the coordinator; the agents' service alone, for calls that conflict with nobody; the agents' service, which asks
# the coordinator for what conflicts.
Mode = Literal["orchestrated", "choreographed", "hybrid"]
MODES: Final[dict[Mode, RecordMode]] = {
    "orchestrated": "ORCHESTRATED",
    "choreographed": "CHOREOGRAPHED",
    "hybrid": "HYBRID",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the tool's full name and its arguments as JSON values.

    A value `{"$result": {"call": "c0", "pointer": "/id"}}` takes (a part of) an earlier call's result. Without an `id` a call is
    `c0`, `c1` … by its place. `after` names calls that must have succeeded before; `version` picks a contract, or else the newest.
    With `approval` a person must approve the call, whatever its contract says. `expected` are versions of resources: if one of them was
    written meanwhile, a transactional call does nothing and ends with VERSION_CONFLICT.
    """

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None
    after: Sequence[str] = ()
    version: int | None = None
    approval: bool = False
    approval_seconds: float | None = None
    expected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanLeases:
    """Leases that a plan takes beside those of its tools' contracts, each scope/resource, as "shared/printer:hall".

    It has all its leases for `seconds` at most, and waits `wait_seconds` for them; None is what contracts and settings say.
    """

    names: Sequence[str] = ()
    seconds: float | None = None
    wait_seconds: float | None = None

    def fields(self) -> tuple[tuple[str, ...], float | None, float | None]:
        """The fields of the command."""
        return tuple(self.names), self.seconds, self.wait_seconds


class WrittenCall(BaseModel):
    """A call in a plan file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tool: str
    arguments: dict[str, Any] = {}
    id: str | None = None
    after: list[str] = []
    version: int | None = None
    approval: bool = False
    approval_seconds: Annotated[float, Field(strict=False)] | None = None
    expected: dict[str, int] = {}


class WrittenBudget(BaseModel):
    """A budget in a plan file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    calls: int | None = None
    cost: Annotated[Decimal, Field(strict=False)] | None = None
    tokens: int | None = None
    seconds: Annotated[float, Field(strict=False)] | None = None


class WrittenPlan(BaseModel):
    """A plan file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tenant: str
    domain: str
    agent: str = "cli"
    isolation: Literal["plan", "call"] = "plan"
    mode: Mode = "orchestrated"
    idempotency_key: str | None = None
    calls: Annotated[list[WrittenCall], Field(min_length=1)]
    batch: Literal["collect_all", "fail_fast", "quorum"] = "collect_all"
    quorum: int | None = None
    on_failure: Literal["stop", "continue", "compensate"] = "stop"
    in_doubt: Literal["hold", "end"] = "hold"
    quarantine: Literal["wait", "refuse"] = "wait"
    unknown_resources: Literal["hold", "line_up", "refuse"] = "hold"
    unknown_seconds: float | None = None
    deadline_seconds: Annotated[float, Field(strict=False)] | None = None
    leases: list[str] = []
    lease_seconds: Annotated[float, Field(strict=False)] | None = None
    lease_wait_seconds: Annotated[float, Field(strict=False)] | None = None
    budget: WrittenBudget | None = None
    caused_by: str | None = None
    workflow: str | None = None


def command(
    calls: Sequence[Call],
    *,
    tenant: str,
    domain: str,
    agent: str,
    idempotency_key: str | None = None,
    isolation: Literal["plan", "call"] = "plan",
    correlation_id: str | None = None,
    traceparent: str | None = None,
    policy: Policy | None = None,
    mode: Mode = "orchestrated",
    leases: PlanLeases | None = None,
    caused_by: str | None = None,
    workflow: str | None = None,
) -> SubmitPlan:
    """The command for calls. Without an idempotency key it gets a new one: two such commands are two plans.

    Raises ConfigurationError for arguments that JSON cannot carry.
    """
    planned = []
    for index, call in enumerate(calls):
        try:
            arguments = canonical_json(dict(call.arguments))
        except NotCanonical as error:
            raise ConfigurationError(f"call {index} ({call.tool}): {error}") from error
        planned.append(
            PlannedCall(
                *(call.id or f"c{index}", call.tool, call.version, arguments, tuple(call.after)),
                *(call.approval, call.approval_seconds),
                tuple(ExpectedVersion(resource, version) for resource, version in call.expected.items()),
            )
        )
    return SubmitPlan(
        idempotency_key or uuid.uuid4().hex,
        tenant,
        domain,
        agent,
        "PLAN" if isolation == "plan" else "CALL",
        tuple(planned),
        correlation_id,
        traceparent,
        (policy or Policy()).record(),
        MODES[mode],
        *(leases or PlanLeases()).fields(),
        caused_by,
        workflow,
    )


def read_plan_file(
    path: Path, idempotency_key: str | None = None, mode: Mode | None = None, caused_by: str | None = None
) -> SubmitPlan:
    """The command of a YAML (or JSON) plan file; a key, a mode or a cause given here counts, whatever the file says.

    Raises ConfigurationError that says where the file is wrong.
    """
    try:
        written = WrittenPlan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the file'}: {fault['msg']}" for fault in error.errors()
        )
        raise ConfigurationError(f"{path}: {faults}") from error
    calls = [
        Call(one.tool, one.arguments, one.id, one.after, one.version, one.approval, one.approval_seconds, one.expected)
        for one in written.calls
    ]
    budget = None if written.budget is None else Budget(**written.budget.model_dump())
    return command(
        calls,
        tenant=written.tenant,
        domain=written.domain,
        agent=written.agent,
        idempotency_key=idempotency_key or written.idempotency_key,
        isolation=written.isolation,
        policy=Policy(
            *(written.batch, written.quorum, written.on_failure, written.in_doubt, written.quarantine),
            *(written.deadline_seconds, budget, written.unknown_resources, written.unknown_seconds),
        ),
        mode=mode or written.mode,
        leases=PlanLeases(written.leases, written.lease_seconds, written.lease_wait_seconds),
        caused_by=written.caused_by if caused_by is None else caused_by,
        workflow=written.workflow,
    )
