"""What caused what: one row a record, and functions that follow the causes up and the effects down.

A record names its direct cause. Invocations are in a topic a toolset, which no projection can know beforehand; what answers one says what
caused it, so the row of an answer leads on to that, and names the invocation as what lies between.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

from motet.chassis import decided_by
from motet.chassis.decided_by import Header
from motet.chassis.text import printable
from motet.projector.changes import Changes, moment
from motet.projector.definition import DOMAIN, TENANT, Column, Function, Table, View, columns
from motet.records import CallsFinished, CallsReported, MessageTaken, PlanAdmitted, ToolContract

LINEAGE: Final = Table(
    "lineage",
    "What caused what: one row an event, result, timer, request, answer, lease event or dead letter, from its cause to it, and one a "
    "command that says what it answers to.",
    columns(
        ("effect", "text NOT NULL", "The record's id."),
        ("cause", "text NOT NULL", "The id of the record that caused it, or topic:partition:offset of a command."),
        ("via", "text", "The id of the invocation between the two, where it answers one; null otherwise."),
        ("type", "text NOT NULL", "The record's type."),
        TENANT,
        DOMAIN,
        ("plan_id", "text NOT NULL", "The plan that it is about; empty where it is about none."),
        ("hlc", "bigint NOT NULL", "Hybrid logical clock: milliseconds since 1970 times 65,536, and a counter."),
        ("recorded_at", "timestamptz NOT NULL", "When Kafka had its cause."),
        (
            "code_version",
            "text",
            "The code that made it, where it says so: an event what its host ran then, a result what the tool service did; else null.",
        ),
        ("topic", "text NOT NULL", "The topic that it is in."),
        ("partition", "integer NOT NULL", "Where it stands in the topic."),
        ("offset", "bigint NOT NULL", "Where it stands in its partition."),
    ),
    ("effect",),
    (
        "cause",
        "plan_id",
        "via) WHERE (via IS NOT NULL",
        "plan_id) WHERE (type = 'SubmitPlan'",
        'USING brin ("offset")',
    ),
)

# A place in the log, as a cause that is a command has it; braces doubled, because a schema is put into the query.
PLACE: Final = "'^[a-z][a-z.-]*:[0-9]{{1,9}}:[0-9]{{1,18}}$'"

STEP: Final = Column("step", "integer", "How many steps from the record that was asked about.")
ROWS: Final = tuple(Column(one.name, one.plain_type, one.comment) for one in LINEAGE.columns)
NAMES: Final = ", ".join(f'"{one.name}"' for one in ROWS)
FOUND: Final = ", ".join(f'f."{one.name}"' for one in ROWS)

CAUSES_OF: Final = Function(
    "causes_of",
    "What led to a record (its id, or that of an invocation that was answered), step by step: the record itself, its cause, and so on. "
    "What came in by a door is the last one: its place, without a type.",
    "record text, steps integer DEFAULT 1000",
    (STEP, *ROWS),
    f"""WITH RECURSIVE up AS (
(SELECT 0 AS step, l.* FROM {{schema}}.lineage AS l WHERE l.effect = record OR l.via = record ORDER BY l.hlc LIMIT 1)
UNION ALL SELECT u.step + 1, l.* FROM up AS u JOIN {{schema}}.lineage AS l ON l.effect = u.cause AND l.hlc < u.hlc
WHERE u.step < steps)
SELECT u.step, {NAMES} FROM up AS u UNION ALL
SELECT u.step + 1, u.cause, '', NULL, NULL, u.tenant, u.domain, u.plan_id, NULL, NULL, NULL,
CASE WHEN u.cause ~ {PLACE} THEN split_part(u.cause, ':', 1) END,
CASE WHEN u.cause ~ {PLACE} THEN split_part(u.cause, ':', 2)::integer END,
CASE WHEN u.cause ~ {PLACE} THEN split_part(u.cause, ':', 3)::bigint END
FROM up AS u WHERE u.cause <> '' AND u.step < steps AND NOT EXISTS (SELECT FROM {{schema}}.lineage AS l WHERE l.effect = u.cause)
ORDER BY 1""",
)

EFFECTS_OF: Final = Function(
    "effects_of",
    "What a record led to (its id, that of an invocation, or the place of a command): each effect before its own effects, siblings in causal "
    "order. Step 0 is the record itself; a command's place has no row.",
    "record text, steps integer DEFAULT 1000",
    (STEP, *ROWS),
    f"""WITH RECURSIVE down AS (
SELECT CASE WHEN l.effect = record THEN 0 ELSE 1 END AS step, ARRAY[l.hlc::text || l.effect] AS path, l.*
FROM {{schema}}.lineage AS l WHERE l.effect = record OR l.via = record
OR (l.cause = record AND NOT EXISTS (SELECT FROM {{schema}}.lineage AS r WHERE r.effect = record))
UNION ALL SELECT d.step + 1, d.path || (l.hlc::text || l.effect), l.* FROM down AS d JOIN {{schema}}.lineage AS l ON l.cause = d.effect
AND l.hlc > d.hlc WHERE d.step < steps)
SELECT f.step, {FOUND} FROM down AS f ORDER BY f.path""",
)

PLANS_BEFORE: Final = View(
    "plans_before",
    "Which plans led to which, over any number of steps: a plan whose command says that it answers to an event of another.",
    """WITH RECURSIVE led AS (
SELECT c.plan_id, e.plan_id AS before, c.tenant FROM {schema}.lineage AS c JOIN {schema}.lineage AS e ON e.effect = c.cause AND e.hlc < c.hlc
WHERE c.type = 'SubmitPlan' AND e.plan_id NOT IN ('', c.plan_id)),
up AS (SELECT plan_id, before, 1 AS steps, tenant FROM led
UNION SELECT u.plan_id, l.before, u.steps + 1, u.tenant FROM up AS u JOIN led AS l ON l.plan_id = u.before)
SELECT plan_id, before, steps, tenant FROM up""",
    {
        "plan_id": "The plan.",
        "before": "A plan that led to it.",
        "steps": "How many steps lie between: 1 if it is answered to directly.",
        "tenant": "Whose the plan is.",
    },
)

FUNCTIONS: Final = (CAUSES_OF, EFFECTS_OF)


class Placed(Protocol):
    """A record and where it stands: the chassis's `Received`."""

    @property
    def topic(self) -> str:
        """The topic."""

    @property
    def partition(self) -> int:
        """The partition."""

    @property
    def offset(self) -> int:
        """The offset."""

    @property
    def record(self) -> Any:
        """The record."""

    @property
    def headers(self) -> Iterable[Header]:
        """Its Kafka headers."""


def link(changes: Changes, one: Placed) -> None:
    """The row that leads from a record's cause to it."""
    record = one.record
    # One copy of a contract in each partition: nothing is caused by any.
    if isinstance(record, ToolContract):
        return
    meta = record.meta
    if isinstance(record, PlanAdmitted | MessageTaken) and record.caused_by is not None:
        link_command(changes, record)
    # Answers from before their version 4 do not say what asked for them.
    answer = isinstance(record, CallsFinished | CallsReported) and bool(record.invoked_by)
    changes.lineage.append(
        {
            "effect": meta.event_id,
            "cause": printable(record.invoked_by if answer else meta.causation_id),
            "via": meta.causation_id if answer else None,
            "type": type(record).__name__,
            "tenant": printable(meta.tenant),
            "domain": printable(meta.domain),
            "plan_id": printable(getattr(record, "plan_id", None) or ""),
            "hlc": meta.hlc,
            "recorded_at": moment(meta.recorded_at),
            "code_version": printable(code) if (code := code_of(one)) else None,
            "topic": one.topic,
            "partition": one.partition,
            "offset": one.offset,
        }
    )


def code_of(one: Placed) -> str:
    """The code that made a record, as its content says it or the header of a fact; empty where neither does."""
    said = getattr(one.record, "code_version", None)
    if said or one.topic not in decided_by.FACTS:
        return said or ""
    return decided_by.code_of(decided_by.found(one.headers))


def link_command(changes: Changes, record: PlanAdmitted | MessageTaken) -> None:
    """The row of a command that names what it answers to. That is what its client says, so it counts only where clocks allow it."""
    meta = record.meta
    topic, partition, offset = meta.causation_id.split(":")
    changes.lineage.append(
        {
            "effect": meta.causation_id,
            "cause": printable(record.caused_by or ""),
            "type": "SubmitPlan" if isinstance(record, PlanAdmitted) else "SendMessage",
            "tenant": meta.tenant,
            "domain": meta.domain,
            "plan_id": getattr(record, "plan_id", ""),
            # Before all that it led to.
            "hlc": meta.hlc - 1,
            "recorded_at": moment(meta.recorded_at),
            "topic": topic,
            "partition": int(partition),
            "offset": int(offset),
        }
    )
