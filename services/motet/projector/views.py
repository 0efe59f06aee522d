"""Views of the SQL surface: what follows from the tables. Each as its SELECT, its meaning, and the meaning of its columns."""

from __future__ import annotations

from typing import Final

from motet.projector.agent_tables import AGENTS, CONVERSATION_STORY
from motet.projector.definition import View
from motet.projector.lease_views import LEASE_WAITS, LEASES
from motet.projector.line_views import LINES, RESOURCES
from motet.projector.lineage import PLANS_BEFORE
from motet.projector.return_views import CALL_TIMES, ROI
from motet.projector.version_views import VERSIONS
from motet.projector.waiting_views import WHY_WAITING

# What is known of the effect of a call, whatever its place in the history.
STATE: Final = """CASE
    WHEN in_doubt THEN 'IN_DOUBT'
    WHEN status = 'SUCCEEDED' OR late_outcome = 'SUCCEEDED' OR finding IN ('HAPPENED', 'COMPENSATE') THEN 'DONE'
    WHEN coalesce(attempt, 0) = 0 THEN 'NOT_STARTED'
    WHEN status IN ('STARTED', 'RETRYING', 'RECONCILING') OR runs_on THEN 'RUNNING'
    ELSE 'FAILED' END"""

EFFECTS: Final = View(
    "effects",
    "What calls did to the world, or may have done: one row a call whose tool is not pure, and one a compensation, by effect key.",
    f"""SELECT key, tenant, domain, plan_id, index, false AS compensation, tool, effect, status, attempt, committed_at, {STATE} AS state
FROM {{schema}}.calls WHERE effect <> 'PURE'
UNION ALL
SELECT key, tenant, domain, plan_id, index, true, tool, NULL, state, attempt, ended_at,
CASE state WHEN 'SUCCEEDED' THEN 'DONE' WHEN 'RUNNING' THEN 'RUNNING' WHEN 'IN_DOUBT' THEN 'IN_DOUBT' ELSE 'FAILED' END
FROM {{schema}}.compensations WHERE key IS NOT NULL""",
    {
        "key": "The effect's key, minted by Motet; null until an attempt of the call has ended.",
        "tenant": "Whose it is.",
        "domain": "The unit of total order within the tenant.",
        "plan_id": "The plan.",
        "index": "The call of the plan, or the one that is undone.",
        "compensation": "True if it undoes the call.",
        "tool": "The tool, toolset.function.",
        "effect": "The tool's effect class; null for a compensation.",
        "status": "The call's status in the plan.",
        "attempt": "Its last attempt.",
        "committed_at": "When it took its place in the history.",
        "state": "NOT_STARTED, RUNNING, DONE, FAILED (it did not happen) or IN_DOUBT.",
    },
)

ATTEMPTS: Final = View(
    "attempts",
    "Every attempt of every call and compensation: those that ended early, and the last one of each.",
    """SELECT plan_id, index, compensation, attempt, late, tenant, domain, ended_at, outcome, error_code, error_message, next, next_at
FROM {schema}.former_attempts
UNION ALL
SELECT plan_id, index, false, attempt, false, tenant, domain, committed_at,
CASE WHEN committed_at IS NULL THEN 'RUNNING' ELSE status END, error_code, error_message, 'NONE', NULL
FROM {schema}.calls AS c WHERE attempt > 0 AND NOT EXISTS (SELECT FROM {schema}.former_attempts AS f
WHERE f.plan_id = c.plan_id AND f.index = c.index AND f.attempt = c.attempt AND NOT f.compensation AND NOT f.late)
UNION ALL
SELECT plan_id, index, true, attempt, false, tenant, domain, ended_at, state, error_code, error_message, 'NONE', NULL
FROM {schema}.compensations AS c WHERE attempt > 0 AND NOT EXISTS (SELECT FROM {schema}.former_attempts AS f
WHERE f.plan_id = c.plan_id AND f.index = c.index AND f.attempt = c.attempt AND f.compensation)""",
    {
        "plan_id": "The plan.",
        "index": "The call of the plan, or the one that is undone.",
        "compensation": "True if it undoes the call.",
        "attempt": "Which attempt, from 1.",
        "late": "True if it ended when its call had its end already.",
        "tenant": "Whose it is.",
        "domain": "The unit of total order within the tenant.",
        "ended_at": "When it ended; null while it runs.",
        "outcome": "How it ended; RUNNING while it runs.",
        "error_code": "Why it did not succeed, in one word.",
        "error_message": "Why it did not succeed, in a sentence.",
        "next": "What followed: NONE, RETRY, RECONCILE or IN_DOUBT.",
        "next_at": "When the next attempt was due.",
    },
)

EVENTS: Final = View(
    "events",
    "Every committed event with its times. ORDER BY hlc, event_id puts each cause before its effects, whatever clocks said.",
    """SELECT l.effect AS event_id, l.cause, l.type, l.tenant, l.domain, l.plan_id, l.hlc, to_timestamp((l.hlc >> 16) / 1000.0) AS hlc_at,
l.recorded_at, extract(epoch FROM to_timestamp((l.hlc >> 16) / 1000.0) - l.recorded_at)::float8 AS ahead_seconds, l.partition, l."offset",
p.mode AS strategy, p.workflow, p.rules, coalesce(l.code_version, p.code_version) AS code_version,
(SELECT array_agg(DISTINCT c.tool || '@' || c.contract_version ORDER BY c.tool || '@' || c.contract_version) FROM {schema}.calls AS c
WHERE c.plan_id = l.plan_id) AS contracts
FROM {schema}.lineage AS l LEFT JOIN {schema}.plans AS p ON p.plan_id = l.plan_id WHERE l.topic = 'motet.events'""",
    {
        "event_id": "The event's id.",
        "cause": "The id of the record that caused it, or topic:partition:offset of a command.",
        "type": "The event's record type.",
        "tenant": "Whose it is.",
        "domain": "The unit of total order within the tenant.",
        "plan_id": "The plan that it is about.",
        "hlc": "Hybrid logical clock, greater than that of everything that led to it.",
        "hlc_at": "The wall time in it.",
        "recorded_at": "When Kafka had its cause.",
        "ahead_seconds": "By how much its hybrid clock is ahead of that: more than a few seconds means that somebody's clock was.",
        "partition": "Where it stands in motet.events.",
        "offset": "Where it stands in its partition.",
        "strategy": "Who coordinates its plan: ORCHESTRATED, CHOREOGRAPHED or HYBRID. Null if it is about no plan.",
        "workflow": "The definition that its plan is an instance of.",
        "rules": "The version of the rules that its plan is decided by.",
        "code_version": "The code that decided it; of an event from before events said it, the code that admitted its plan.",
        "contracts": "The contracts that its plan was admitted by, tool@version each.",
    },
)

VIEWS: Final = (
    *(EFFECTS, ATTEMPTS, EVENTS, PLANS_BEFORE, VERSIONS, LINES, RESOURCES, WHY_WAITING, LEASES, LEASE_WAITS),
    *(CALL_TIMES, ROI, AGENTS, CONVERSATION_STORY),
)
