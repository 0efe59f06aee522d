"""The SQL surface as data: every table and column with its type and what it means. The DDL and the writes follow from here."""

from __future__ import annotations

from typing import Final

from motet.projector.definition import DOMAIN, TENANT, Table, columns
from motet.projector.fault_tables import (
    APPROVALS,
    BREAKERS,
    BUDGETS,
    COMMANDS_REFUSED,
    COMPENSATIONS,
    FORMER_ATTEMPTS,
)

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
        (
            "status",
            "text NOT NULL",
            "OPEN, STOPPING, COMPENSATING; SUCCEEDED, FAILED, CANCELLED, IN_DOUBT, COMPENSATED, COMPENSATION_FAILED; REJECTED.",
        ),
        (
            "batch",
            "text",
            "COLLECT_ALL, FAIL_FAST or QUORUM: what a call's end means for its siblings. Null if rejected.",
        ),
        ("quorum", "integer", "How many successes are enough."),
        ("on_failure", "text", "STOP, CONTINUE or COMPENSATE: what it does that cannot succeed any more."),
        ("in_doubt", "text", "HOLD or END: what it does with a call in doubt."),
        ("quarantine", "text", "WAIT or REFUSE: what it does that needs a resource of a call in doubt."),
        ("deadline_at", "timestamptz", "It ends by then."),
        ("stopped_by", "text", "Why its barrier was raised: CANCEL, FAIL_FAST, QUORUM or DEADLINE."),
        ("stopped_at", "timestamptz", "Since when nothing of it starts any more."),
        ("stop_reason", "text", "Why, for people."),
        ("stop_agent", "text", "Who asked for it."),
        ("remaining", "integer[]", "Calls that are still in doubt or not undone, by index."),
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
        (
            "status",
            "text NOT NULL",
            "WAITING, AWAITING_APPROVAL, STARTED, RETRYING, RECONCILING or IN_DOUBT; SUCCEEDED, FAILED, SKIPPED, CANCELLED or IN_DOUBT.",
        ),
        ("approval", "boolean NOT NULL", "True if a person must approve it."),
        ("started_at", "timestamptz", "When it got its resources and was sent first. Null while it waits."),
        ("attempt_started_at", "timestamptz", "When its last attempt was sent."),
        ("next_attempt_at", "timestamptz", "When the next attempt is due. Null if none is."),
        ("progress", "json", "What it said last while it ran."),
        ("progressed_at", "timestamptz", "When it said so."),
        ("in_doubt", "boolean NOT NULL", "True while nobody knows whether it happened."),
        ("in_doubt_since", "timestamptz", "Since when that is not known, or was not."),
        ("finding", "text", "What was found out: HAPPENED, DID_NOT_HAPPEN or COMPENSATE."),
        ("settled_by", "text", "Who found it out."),
        ("settled_at", "timestamptz", "When."),
        ("late_outcome", "text", "How it ended after it had its place in the history; recorded, and not merged."),
        ("late_result", "json", "What it returned too late, or what somebody found that it had returned."),
        ("late_error", "text", "One word why it failed too late."),
        ("committed_at", "timestamptz", "When it took its place in the plan's history."),
        ("result", "json", "What the tool returned. Null unless it succeeded."),
        ("result_sha256", "text", "SHA-256 of the result's canonical JSON."),
        ("error_code", "text", "One word for programs. Null unless it failed or was skipped."),
        ("error_message", "text", "A sentence for people and models."),
        ("key", "text", "The idempotency key of its effect, minted by Motet."),
        ("attempt", "integer", "Which attempt was its last, from 1; 0 if it never started."),
        ("committed_event_id", "text", "The CallsCommitted event."),
    ),
    ("plan_id", "index"),
    ("tenant, tool", "tenant, in_doubt_since) WHERE (in_doubt"),
)

RESOURCES: Final = Table(
    "resources",
    "What open plans use now: who holds a resource and who waits for it.",
    columns(
        TENANT,
        DOMAIN,
        ("resource", "text NOT NULL", "The resource's name, such as account:42."),
        ("mode", "text NOT NULL", "READ, WRITE or COMMUTE."),
        (
            "state",
            "text NOT NULL",
            "HOLDS; WAITS for others; AWAITS_APPROVAL, not in line before; QUARANTINE: the call is in doubt.",
        ),
        ("plan_id", "text NOT NULL", "The plan."),
        ("index", "integer NOT NULL", "The call of the plan."),
        ("isolation", "text NOT NULL", "PLAN: until the plan ends. CALL: until the call is committed."),
        ("since", "timestamptz NOT NULL", "Since when it is in this state."),
        ("call_ended", "boolean NOT NULL", "True if the call has its place in the history."),
        ("plan_ended", "boolean NOT NULL", "True if the plan has ended."),
        ("open", "boolean NOT NULL", "True if the call still runs or is in doubt, whatever the history says."),
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
        ("state", "text NOT NULL", "OPEN, REDRIVEN, FAILED_AGAIN or DISCARDED."),
        ("repaired_at", "timestamptz", "When somebody did something about it."),
        ("repaired_by", "text", "Who."),
        ("repair_reason", "text", "Why."),
        ("released", "integer", "How many records that had waited behind it were handled then."),
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
        ("attempts", "integer NOT NULL", "How often a call is tried at most."),
        (
            "backoff_seconds",
            "float8 NOT NULL",
            "The wait before the second attempt; each further one is twice as long.",
        ),
        ("backoff_limit_seconds", "float8 NOT NULL", "The longest wait between attempts."),
        ("deadline_seconds", "float8", "The limit of a call, all attempts together; null: it follows from the others."),
        ("heartbeat_seconds", "float8", "An attempt that says nothing for so long is given up."),
        ("window_seconds", "float8 NOT NULL", "So long a result is kept for repeats of its key."),
        ("compensation", "json", "The tool that undoes a call, and its arguments."),
        ("approval", "boolean NOT NULL", "True if a person must approve each call."),
        ("approval_seconds", "float8 NOT NULL", "How long that may take."),
        ("cost_micros", "bigint NOT NULL", "The most that a call costs, in millionths of the tenant's currency."),
        ("tokens", "bigint NOT NULL", "The most tokens that a call takes."),
        (
            "breaker_failures",
            "integer NOT NULL",
            "After so many failed attempts in a row calls fail at once; 0: never.",
        ),
        ("breaker_reset_seconds", "float8 NOT NULL", "How long they do."),
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
        ("calls_cancelled", "bigint NOT NULL", "Calls that a barrier stopped."),
        (
            "calls_in_doubt",
            "bigint NOT NULL",
            "Calls of which nobody knew, when their plan ended, whether they happened.",
        ),
        ("plans_cancelled", "bigint NOT NULL", "Plans that were cancelled."),
        ("plans_in_doubt", "bigint NOT NULL", "Plans that ended with a call in doubt."),
        ("plans_compensated", "bigint NOT NULL", "Plans that failed and were undone."),
        ("plans_compensation_failed", "bigint NOT NULL", "Plans that failed and were not undone completely."),
        ("commands_refused", "bigint NOT NULL", "Commands about plans, calls or budgets that changed nothing."),
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

TABLES: Final = (
    *(PLANS, CALLS, RESOURCES, LINEAGE, DEAD_LETTERS, CONTRACTS, TENANTS, USAGE, PROGRESS),
    *(FORMER_ATTEMPTS, APPROVALS, BUDGETS, COMPENSATIONS, BREAKERS, COMMANDS_REFUSED),
)
