"""The SQL surface as data: every table and column with its type and what it means. The DDL and the writes follow from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `type` is PostgreSQL's, with constraints."""

    name: str
    type: str
    comment: str

    @property
    def plain_type(self) -> str:
        """The type alone."""
        return self.type.partition(" ")[0]


@dataclass(frozen=True, slots=True)
class Table:
    """A table. Rows of a `tenant` are seen by that tenant; a table without a tenant is for everybody."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[str, ...] = ()
    has_tenant: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)


def columns(*lines: tuple[str, str, str]) -> tuple[Column, ...]:
    """Columns from name, type and comment."""
    return tuple(Column(*line) for line in lines)


TENANT: Final = ("tenant", "text NOT NULL", "Whose it is.")
DOMAIN: Final = ("domain", "text NOT NULL", "The unit of total order within the tenant.")

PLANS: Final = Table(
    "plans",
    "Every plan that was submitted: admitted ones with their end, rejected ones with their reasons.",
    columns(
        ("plan_id", "text NOT NULL", "Derived from tenant, domain, idempotency key and content."),
        TENANT,
        DOMAIN,
        ("agent", "text NOT NULL", "Who asked, as the command says."),
        ("idempotency_key", "text NOT NULL", "The key under which the plan was submitted."),
        (
            "isolation",
            "text",
            "PLAN: resources are held until the plan ends. CALL: until the call ends. Null if rejected.",
        ),
        ("status", "text NOT NULL", "OPEN, SUCCEEDED, FAILED or REJECTED."),
        ("calls", "integer NOT NULL", "How many calls it has; 0 if rejected."),
        ("reasons", "json", "Why it was rejected: code, message and call_id each. Null if admitted."),
        ("correlation_id", "text", "What the client says that the plan belongs to, or the plan's id."),
        ("command_sha256", "text", "SHA-256 over what the command asks for."),
        (
            "history_sha256",
            "text",
            "SHA-256 of the committed history: equal for equal inputs. Null until the plan ended.",
        ),
        ("admitted_at", "timestamptz", "When Kafka had the command. Null if rejected."),
        ("ended_at", "timestamptz", "When Kafka had what ended it. Null while it is open."),
        ("admitted_event_id", "text", "The PlanAdmitted event."),
        ("terminal_event_id", "text", "The PlanEnded or PlanRejected event. Null while it is open."),
        ("repeats", "integer NOT NULL", "How often the same command came again; each was given the first answer."),
        ("partition", "integer NOT NULL", "The partition of motet.events that has its events."),
    ),
    ("plan_id",),
    ("tenant, domain, admitted_at", "idempotency_key", "admitted_at) WHERE (status = 'OPEN'"),
)

CALLS: Final = Table(
    "calls",
    "Every call of every admitted plan.",
    columns(
        ("plan_id", "text NOT NULL", "Its plan."),
        ("index", "integer NOT NULL", "Its place in the plan, from 0."),
        ("call_id", "text NOT NULL", "Its name within the plan."),
        TENANT,
        DOMAIN,
        ("tool", "text NOT NULL", "The tool, toolset.function."),
        ("contract_version", "integer NOT NULL", "The version of the tool's contract that it was admitted by."),
        ("effect", "text NOT NULL", "The tool's effect class: PURE, TRANSACTIONAL, IDEMPOTENT and so on."),
        ("after", "integer[] NOT NULL", "The calls, by index, that must have succeeded before."),
        ("arguments", "json NOT NULL", "The arguments as admitted; a $result stands for an earlier call's result."),
        ("arguments_sha256", "text NOT NULL", "SHA-256 of the canonical arguments, results filled in once it started."),
        ("status", "text NOT NULL", "WAITING, STARTED, SUCCEEDED, FAILED or SKIPPED."),
        ("started_at", "timestamptz", "When it got its resources. Null while it waits."),
        ("committed_at", "timestamptz", "When it took its place in the plan's history."),
        ("result", "json", "What the tool returned. Null unless it succeeded."),
        ("result_sha256", "text", "SHA-256 of the result's canonical JSON."),
        ("error_code", "text", "One word for programs. Null unless it failed or was skipped."),
        ("error_message", "text", "A sentence for people and models."),
        ("key", "text", "The idempotency key of its effect, minted by Motet."),
        ("attempt", "integer", "Which attempt ended it, from 1; 0 if it never started."),
        ("committed_event_id", "text", "The CallsCommitted event."),
    ),
    ("plan_id", "index"),
    ("tenant, tool",),
)

RESOURCES: Final = Table(
    "resources",
    "What open plans use now: who holds a resource and who waits for it.",
    columns(
        TENANT,
        DOMAIN,
        ("resource", "text NOT NULL", "The resource's name, such as account:42."),
        ("mode", "text NOT NULL", "READ, WRITE or COMMUTE."),
        ("state", "text NOT NULL", "HOLDS or WAITS."),
        ("plan_id", "text NOT NULL", "The plan."),
        ("index", "integer NOT NULL", "The call of the plan."),
        ("isolation", "text NOT NULL", "PLAN: until the plan ends. CALL: until the call is committed."),
        ("since", "timestamptz NOT NULL", "Since when it waits or holds."),
    ),
    ("plan_id", "index", "resource"),
    ("tenant, domain, resource",),
)

LINEAGE: Final = Table(
    "lineage",
    "What caused what: one row an event, from its cause to it.",
    columns(
        ("effect", "text NOT NULL", "The event's id."),
        ("cause", "text NOT NULL", "The id of the record that caused it, or topic:partition:offset of a command."),
        ("type", "text NOT NULL", "The event's record type."),
        TENANT,
        DOMAIN,
        ("plan_id", "text NOT NULL", "The plan that it is about."),
        ("hlc", "bigint NOT NULL", "Hybrid logical clock: milliseconds since 1970 times 65,536, and a counter."),
        ("recorded_at", "timestamptz NOT NULL", "When Kafka had its cause."),
        ("partition", "integer NOT NULL", "Where it stands in motet.events."),
        ("offset", "bigint NOT NULL", "Where it stands in its partition."),
    ),
    ("effect",),
    ("cause", "plan_id"),
)

DEAD_LETTERS: Final = Table(
    "dead_letters",
    "Records that could not be handled, whole, and why.",
    columns(
        ("event_id", "text NOT NULL", "The dead letter's id."),
        ("service", "text NOT NULL", "The service that could not handle it."),
        ("topic", "text NOT NULL", "Where it was read."),
        ("partition", "integer NOT NULL", "The partition of the topic."),
        ("offset", "bigint NOT NULL", "Its offset."),
        ("appended_at", "timestamptz NOT NULL", "When Kafka had it."),
        ("tenant", "text NOT NULL", "The tenant that its key names; empty if it names none."),
        ("domain", "text NOT NULL", "The domain that its key names."),
        ("key", "bytea", "Its key as it is."),
        ("key_text", "text", "Its key for people."),
        ("value", "bytea", "Its value as it is."),
        ("headers", "json NOT NULL", "Its headers: name, and value in base64."),
        ("code", "text NOT NULL", "Why, in one word."),
        ("reason", "text NOT NULL", "Why, in a sentence."),
        ("parked", "boolean NOT NULL", "Whether later records of its key wait, because order matters there."),
    ),
    ("event_id",),
    ("tenant, appended_at",),
)

CONTRACTS: Final = Table(
    "contracts",
    "Every version of every tool's contract.",
    columns(
        ("name", "text NOT NULL", "The tool, toolset.function."),
        ("version", "integer NOT NULL", "The contract's version; its content never changes."),
        ("toolset", "text NOT NULL", "The toolset, whose service runs it."),
        ("description", "text NOT NULL", "What the tool does, from its docstring."),
        ("effect", "text NOT NULL", "PURE, TRANSACTIONAL, IDEMPOTENT and so on."),
        ("arguments_schema", "json NOT NULL", "JSON Schema (2020-12) of the arguments."),
        ("result_schema", "json NOT NULL", "JSON Schema of the result."),
        ("claims", "json NOT NULL", "The resources that a call uses, as templates, each with its mode."),
        ("timeout_seconds", "float8 NOT NULL", "The limit of one attempt."),
        ("sha256", "text NOT NULL", "SHA-256 of the contract's content."),
        ("published_at", "timestamptz NOT NULL", "When it was published first."),
    ),
    ("name", "version"),
    has_tenant=False,
)

TENANTS: Final = Table(
    "tenants",
    "Every tenant that events speak of.",
    columns(
        ("tenant", "text NOT NULL", "The tenant."),
        ("first_seen", "timestamptz NOT NULL", "The time of its first event."),
        ("last_seen", "timestamptz NOT NULL", "The time of its last event."),
    ),
    ("tenant",),
)

USAGE: Final = Table(
    "usage",
    "How much each tenant did, by day (UTC).",
    columns(
        TENANT,
        ("day", "date NOT NULL", "The day, in UTC."),
        ("plans_admitted", "bigint NOT NULL", "Plans that were admitted."),
        ("plans_succeeded", "bigint NOT NULL", "Plans of which every call succeeded."),
        ("plans_failed", "bigint NOT NULL", "Plans of which some call did not."),
        ("plans_rejected", "bigint NOT NULL", "Commands that became no plan."),
        ("commands_repeated", "bigint NOT NULL", "Commands that were given their first answer again."),
        ("calls_succeeded", "bigint NOT NULL", "Calls that succeeded."),
        ("calls_failed", "bigint NOT NULL", "Calls that failed."),
        ("calls_skipped", "bigint NOT NULL", "Calls that never ran, because one before them did not succeed."),
    ),
    ("tenant", "day"),
)

PROGRESS: Final = Table(
    "progress",
    "How far these tables are: everything before next_offset is in them.",
    columns(
        ("topic", "text NOT NULL", "The topic."),
        ("partition", "integer NOT NULL", "The partition."),
        ("next_offset", "bigint NOT NULL", "The first offset that is not in the tables yet."),
        ("as_of", "timestamptz NOT NULL", "When Kafka had the last record that is."),
    ),
    ("topic", "partition"),
    has_tenant=False,
)

TABLES: Final = (PLANS, CALLS, RESOURCES, LINEAGE, DEAD_LETTERS, CONTRACTS, TENANTS, USAGE, PROGRESS)

# A call that was answered and is not pure did something to the world, or tried.
EFFECTS_COLUMNS: Final = (
    "key",
    "tenant",
    "domain",
    "plan_id",
    "index",
    "tool",
    "effect",
    "status",
    "attempt",
    "committed_at",
)
EFFECTS_COMMENT: Final = (
    "What calls did to the world: one row a call that ran and whose tool is not pure, by the key of its effect."
)
