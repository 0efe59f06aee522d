"""The tables of what goes otherwise: attempts, approvals, budgets, compensations, breakers, refused commands."""

from __future__ import annotations

from typing import Final

from motet.projector.definition import DOMAIN, TENANT, Table, columns

FORMER_ATTEMPTS: Final = Table(
    "former_attempts",
    "Attempts that were not the end of their call, or came too late to be. The view `attempts` has all.",
    columns(
        ("plan_id", "text NOT NULL", "The plan."),
        ("index", "integer NOT NULL", "The call, or the one that was to be undone."),
        ("compensation", "boolean NOT NULL", "True if it was an attempt to undo the call."),
        ("attempt", "integer NOT NULL", "Which attempt, from 1."),
        ("late", "boolean NOT NULL", "True if its call had its end already."),
        TENANT,
        DOMAIN,
        ("ended_at", "timestamptz NOT NULL", "When it ended."),
        ("outcome", "text NOT NULL", "SUCCEEDED, FAILED, CANCELLED or IN_DOUBT: nobody knows whether it happened."),
        ("error_code", "text", "Why, in one word."),
        ("error_message", "text", "Why, in a sentence."),
        ("next", "text NOT NULL", "What followed: NONE, RETRY, RECONCILE or IN_DOUBT."),
        ("next_at", "timestamptz", "When the next attempt was due."),
        ("event_id", "text NOT NULL", "The AttemptsEnded event."),
    ),
    ("plan_id", "index", "compensation", "attempt", "late"),
)

APPROVALS: Final = Table(
    "approvals",
    "Calls that wait, or waited, for a person.",
    columns(
        ("plan_id", "text NOT NULL", "The plan."),
        ("index", "integer NOT NULL", "The call of the plan."),
        TENANT,
        DOMAIN,
        ("call_id", "text", "The call's name within the plan."),
        ("tool", "text", "The tool."),
        ("contract_version", "integer", "The version of its contract."),
        ("arguments", "json", "What is asked about: the arguments as they will be sent."),
        ("arguments_sha256", "text", "Their digest: a decision names it."),
        ("state", "text NOT NULL", "REQUESTED, APPROVED, DENIED, EXPIRED or WITHDRAWN."),
        ("requested_at", "timestamptz", "When it was asked."),
        ("expires_at", "timestamptz", "Without a decision by then the call fails."),
        ("decided_at", "timestamptz", "When it was decided."),
        ("decided_by", "text", "Who decided."),
        ("reason", "text", "Why."),
    ),
    ("plan_id", "index"),
    ("tenant, requested_at) WHERE (state = 'REQUESTED'",),
)

BUDGETS: Final = Table(
    "budgets",
    "What plans and agents may spend, have reserved for calls that run, and have spent. Null: not limited, or not counted.",
    columns(
        TENANT,
        DOMAIN,
        ("agent", "text NOT NULL", "The agent."),
        ("plan_id", "text NOT NULL", "The plan; empty for the agent's own budget."),
        ("scope", "text NOT NULL", "PLAN or AGENT."),
        *(
            (f"{what}_{kind}", "bigint", f"{unit}: {meaning}.")
            for what, unit in (
                ("calls", "Calls"),
                ("cost_micros", "Cost in millionths of the tenant's currency"),
                ("tokens", "Tokens"),
                ("milliseconds", "Running time in milliseconds"),
            )
            for kind, meaning in (
                ("limit", "the limit"),
                ("reserved", "for calls that run"),
                ("spent", "by calls that ended"),
            )
        ),
        ("changed_at", "timestamptz NOT NULL", "When this was so first."),
    ),
    ("tenant", "domain", "agent", "plan_id"),
)

COMPENSATIONS: Final = Table(
    "compensations",
    "Calls that were undone, are, or could not be.",
    columns(
        ("plan_id", "text NOT NULL", "The plan."),
        ("index", "integer NOT NULL", "The call that is undone."),
        TENANT,
        DOMAIN,
        ("tool", "text", "The tool that undoes it. Null if there is none."),
        ("contract_version", "integer", "The version of its contract."),
        ("arguments", "json", "Its arguments."),
        ("arguments_sha256", "text", "Their digest."),
        ("key", "text", "Its own effect key."),
        ("attempt", "integer", "Its last attempt, from 1."),
        (
            "state",
            "text",
            "WAITING (not begun, or to be tried again), RUNNING, RETRYING, RECONCILING, SUCCEEDED, FAILED, IN_DOUBT or SKIPPED.",
        ),
        ("result", "json", "What it returned."),
        ("error_code", "text", "Why it failed, in one word."),
        ("error_message", "text", "Why it failed, in a sentence."),
        ("started_at", "timestamptz", "When its last attempt was sent."),
        ("next_attempt_at", "timestamptz", "When the next attempt is due. Null if none is."),
        ("waits_for", "text", "SLOT, and of what: too much is in flight."),
        ("ended_at", "timestamptz", "When it ended."),
        ("settled_by", "text", "Who found out that it happened, or undid the call by other means."),
    ),
    ("plan_id", "index"),
    ("tenant, state",),
)

BREAKERS: Final = Table(
    "breakers",
    "Circuit breakers that ever opened; each shard of a host of plans counts for itself.",
    columns(
        ("tool", "text NOT NULL", "The tool."),
        ("host", "text NOT NULL", "The service that counts, for the plans that it hosts: coordinator or agents."),
        ("partition", "integer NOT NULL", "The shard."),
        ("state", "text NOT NULL", "CLOSED, OPEN or HALF_OPEN."),
        ("failures", "integer NOT NULL", "Attempts that failed in a row."),
        ("until", "timestamptz", "When one call is sent to see."),
        ("changed_at", "timestamptz NOT NULL", "Since when."),
    ),
    ("tool", "host", "partition"),
    has_tenant=False,
)

CONFLICTS: Final = Table(
    "conflicts",
    "Calls that met another version of a resource than they expected, and did nothing; and who had written it.",
    columns(
        ("event_id", "text NOT NULL", "The VersionConflict event."),
        ("resource", "text NOT NULL", "The resource, within the tenant and the toolset."),
        TENANT,
        DOMAIN,
        ("plan_id", "text NOT NULL", "The plan whose call came too late."),
        ("index", "integer NOT NULL", "The call, or the one that was to be undone."),
        ("compensation", "boolean NOT NULL", "True if it was to undo the call."),
        ("tool", "text NOT NULL", "The tool, toolset.function."),
        ("key", "text NOT NULL", "The call's effect key."),
        ("attempt", "integer NOT NULL", "Which attempt, from 1."),
        ("expected", "bigint NOT NULL", "The version that the call was decided on."),
        ("found", "bigint NOT NULL", "The version that was there; 0: nobody had written it."),
        ("found_plan_id", "text", "The plan that had written it. Null if nobody had."),
        ("found_index", "integer", "The call of that plan."),
        ("found_key", "text", "The effect key of that call."),
        ("found_at", "timestamptz", "When Kafka had that call."),
        ("next", "text NOT NULL", "RETRY: it is tried again at the version found. NONE: it failed."),
        ("at", "timestamptz NOT NULL", "When Kafka had the tool service's report."),
        ("hlc", "bigint NOT NULL", "The same by the hybrid logical clock."),
    ),
    ("event_id", "resource"),
    ("tenant, resource", "plan_id"),
)

COMMANDS_REFUSED: Final = Table(
    "commands_refused",
    "Commands about plans, calls, budgets and dead letters that changed nothing. Rejected plans are in `plans`.",
    columns(
        ("event_id", "text NOT NULL", "The CommandRefused event."),
        ("command", "text NOT NULL", "The command's record type."),
        TENANT,
        DOMAIN,
        ("agent", "text NOT NULL", "Who asked."),
        ("idempotency_key", "text NOT NULL", "Its key."),
        ("plan_id", "text", "The plan that it names."),
        ("reasons", "json NOT NULL", "Why: code, message and call_id each."),
        ("refused_at", "timestamptz NOT NULL", "When Kafka had it."),
    ),
    ("event_id",),
    ("tenant, refused_at",),
)
