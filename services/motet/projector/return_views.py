"""What running calls in parallel, each effect once, was worth: by tenant and day, from the events of real runs.

Nothing here is estimated upwards. Where the tables do not say when a call ended, the earliest time counts at which it can have: what the
views call saved was saved.
"""

from __future__ import annotations

from typing import Final

from motet.projector.definition import View

# Results that a call's last attempt may have come with: those of its plan between that attempt's start and the call's place in the history,
# by the clock that no cause is behind.
RESULTS: Final = """SELECT min(f.recorded_at) AS earliest, CASE WHEN count(*) = 1 THEN min(f.effect) END AS only FROM {schema}.lineage AS f
WHERE f.plan_id = c.plan_id AND f.type = 'CallsFinished' AND f.hlc < c.committed_hlc
AND f.hlc >= (extract(epoch FROM c.attempt_started_at) * 1000)::bigint << 16"""

# Places are given in the plan's order, so what gave them to a group of calls is the result of its first one: of the only one, or of the first by
# index, if no call stands behind a later one.
BY_RESULT: Final = """SELECT FROM {schema}.lineage AS e JOIN {schema}.lineage AS f ON f.effect = e.cause
WHERE e.effect = c.committed_event_id AND f.type = 'CallsFinished'"""
BACKWARDS: Final = """SELECT FROM {schema}.calls AS a WHERE a.plan_id = c.plan_id AND a.index < ANY(a.after)"""

CALL_TIMES: Final = View(
    "call_times",
    "How long each call that ran took in the log, all its attempts and the waits between them: one row a call that has its place.",
    f"""SELECT tenant, domain, plan_id, index, started_at, ended_at, extract(epoch FROM ended_at - started_at)::float8 AS seconds, known
FROM (SELECT c.tenant, c.domain, c.plan_id, c.index, c.started_at, c.doubtful OR s.own AS known,
greatest(c.started_at, CASE WHEN c.doubtful THEN least(c.in_doubt_since, c.committed_at) WHEN s.own THEN c.committed_at ELSE r.earliest END)
AS ended_at
FROM (SELECT *, in_doubt_since IS NOT NULL AS doubtful, row_number() OVER (PARTITION BY plan_id, committed_event_id ORDER BY index) = 1 AS first,
count(*) OVER (PARTITION BY plan_id, committed_event_id) = 1 AS alone
FROM {{schema}}.calls WHERE attempt > 0 AND committed_at IS NOT NULL) AS c CROSS JOIN LATERAL ({RESULTS}) AS r
CROSS JOIN LATERAL (SELECT (r.only IS NOT NULL OR c.alone OR (c.first AND NOT EXISTS ({BACKWARDS}))) AND EXISTS ({BY_RESULT}) AS own) AS s) AS t""",
    {
        "tenant": "Whose it is.",
        "domain": "The unit of total order within the tenant.",
        "plan_id": "The plan.",
        "index": "The call of the plan.",
        "started_at": "When its first attempt was sent.",
        "ended_at": "When its last one ended, or since when nobody knew whether it had happened; if that is not known, the earliest time.",
        "seconds": "From the one to the other.",
        "known": "False if it got its place with another one's result, or without one: then the first result of its plan that came while it ran "
        "may be its own.",
    },
)

# It happened, or may have: what a budget counts where a tool does not say what it spent.
HAPPENED: Final = """(c.status = 'SUCCEEDED' OR c.late_outcome = 'SUCCEEDED'
OR (c.in_doubt_since IS NOT NULL AND c.finding IS DISTINCT FROM 'DID_NOT_HAPPEN'))"""
OF_CALLS: Final = f"""SELECT count(*) FILTER (WHERE c.attempt > 0) AS calls, coalesce(sum(t.seconds), 0) AS seconds,
count(*) FILTER (WHERE c.status = 'SUCCEEDED' AND c.attempt > 1) AS retried, count(*) FILTER (WHERE c.in_doubt_since IS NOT NULL) AS in_doubt,
count(*) FILTER (WHERE c.late_outcome IS NOT NULL) AS late, coalesce(sum(k.cost_micros) FILTER (WHERE {HAPPENED}), 0) AS cost_micros,
coalesce(sum(k.tokens) FILTER (WHERE {HAPPENED}), 0) AS tokens
FROM {{schema}}.calls AS c LEFT JOIN {{schema}}.call_times AS t USING (plan_id, index)
LEFT JOIN {{schema}}.contracts AS k ON k.name = c.tool AND k.version = c.contract_version WHERE c.plan_id = p.plan_id"""
OF_UNDOING: Final = """SELECT count(*) AS undone, coalesce(sum(k.cost_micros), 0) AS cost_micros, coalesce(sum(k.tokens), 0) AS tokens
FROM {schema}.compensations AS o LEFT JOIN {schema}.contracts AS k ON k.name = o.tool AND k.version = o.contract_version
WHERE o.plan_id = p.plan_id AND o.state = 'SUCCEEDED'"""
OF_ATTEMPTS: Final = """SELECT count(*) AS repeated FROM {schema}.former_attempts AS f
WHERE f.plan_id = p.plan_id AND NOT f.compensation AND NOT f.late AND f.next IN ('RETRY', 'RECONCILE')"""
OF_VERSIONS: Final = """SELECT count(DISTINCT (v.index, v.compensation, v.attempt)) AS stale FROM {schema}.conflicts AS v
WHERE v.plan_id = p.plan_id"""

# A plan's line: what it took, and what its calls would have taken one after another. What has not ended took no time yet.
OF_PLANS: Final = f"""SELECT p.tenant, (p.admitted_at AT TIME ZONE 'UTC')::date AS day, p.ended_at IS NOT NULL AS ended, p.repeats,
p.repeats * p.calls AS spared, tstzrange(p.admitted_at, greatest(p.admitted_at, p.ended_at)) AS open,
extract(epoch FROM p.ended_at - p.admitted_at)::float8 AS seconds, c.calls, CASE WHEN p.ended_at IS NOT NULL THEN c.seconds END AS serial,
c.retried, f.repeated, c.in_doubt, c.late, v.stale, o.undone, b.plan_id IS NOT NULL AS counted,
coalesce(b.cost_micros_spent, c.cost_micros + o.cost_micros) AS cost_micros, coalesce(b.tokens_spent, c.tokens + o.tokens) AS tokens
FROM {{schema}}.plans AS p CROSS JOIN LATERAL ({OF_CALLS}) AS c CROSS JOIN LATERAL ({OF_UNDOING}) AS o
CROSS JOIN LATERAL ({OF_ATTEMPTS}) AS f CROSS JOIN LATERAL ({OF_VERSIONS}) AS v
LEFT JOIN {{schema}}.budgets AS b ON b.tenant = p.tenant AND b.domain = p.domain AND b.agent = p.agent AND b.plan_id = p.plan_id
WHERE p.admitted_at IS NOT NULL"""

ROI: Final = View(
    "roi",
    "What parallel calls with each effect once were worth, by tenant and day (UTC) of admission: time, failures that did no harm, cost.",
    f"""SELECT tenant, day, plans, plans_ended, calls, serial_seconds, plan_seconds,
serial_seconds / nullif(plan_seconds, 0) AS speed_up, serial_seconds - plan_seconds AS seconds_saved, busy_seconds,
serial_seconds / nullif(busy_seconds, 0) AS throughput_gain, retries_absorbed, attempts_repeated, commands_repeated, calls_spared,
in_doubt_caught, late_results, stale_writes_refused, calls_undone, cost_micros, cost_micros / nullif(calls, 0)::float8 AS cost_micros_per_call,
tokens, plans_counted
FROM (SELECT tenant, day, count(*) AS plans, count(*) FILTER (WHERE ended) AS plans_ended, sum(calls)::bigint AS calls,
coalesce(sum(serial), 0)::float8 AS serial_seconds, coalesce(sum(seconds), 0)::float8 AS plan_seconds,
coalesce((SELECT sum(extract(epoch FROM upper(b) - lower(b))) FROM unnest(range_agg(open) FILTER (WHERE ended)) AS b), 0)::float8
AS busy_seconds, sum(retried)::bigint AS retries_absorbed, sum(repeated)::bigint AS attempts_repeated,
sum(repeats)::bigint AS commands_repeated, sum(spared)::bigint AS calls_spared, sum(in_doubt)::bigint AS in_doubt_caught,
sum(late)::bigint AS late_results, sum(stale)::bigint AS stale_writes_refused, sum(undone)::bigint AS calls_undone,
sum(cost_micros)::bigint AS cost_micros, sum(tokens)::bigint AS tokens, count(*) FILTER (WHERE counted) AS plans_counted
FROM ({OF_PLANS}) AS one GROUP BY tenant, day) AS days""",
    {
        "tenant": "Whose it is.",
        "day": "The day on which the plans were admitted, in UTC.",
        "plans": "Plans that were admitted.",
        "plans_ended": "Those of them that have ended: only these count in seconds.",
        "calls": "Calls of the plans that were sent at least once.",
        "serial_seconds": "What those of ended plans would have taken one after another: the sum of `call_times.seconds`.",
        "plan_seconds": "What the ended plans took, from admission to end, waits for resources and people included.",
        "speed_up": "The one by the other: how much sooner a plan's agent had its answers. Null without plans that took time.",
        "seconds_saved": "The difference: what agents did not wait. Negative if waits took more than parallel calls saved.",
        "busy_seconds": "How long at least one of the ended plans was open.",
        "throughput_gain": "serial_seconds by busy_seconds: how much more was done than by one call after another. Null as above.",
        "retries_absorbed": "Calls that succeeded after their first attempt had not.",
        "attempts_repeated": "Attempts that ended without an end of their call, and were followed by another, or by asking.",
        "commands_repeated": "Commands for these plans that came again, and were given the first answer.",
        "calls_spared": "The calls in those commands: none of them ran again.",
        "in_doubt_caught": "Calls of which nobody knew whether they had happened, and which were not repeated blindly.",
        "late_results": "Results that came when their call had its end: recorded, and not merged.",
        "stale_writes_refused": "Attempts that met another version than they were decided on, and did nothing.",
        "calls_undone": "Calls that were undone because their plan failed.",
        "cost_micros": "In millionths of the tenant's currency: what the plan's own budget counted; of a plan without one, the contract's price "
        "of each call that happened or may have, and of what undid calls.",
        "cost_micros_per_call": "The same by calls. Null without calls.",
        "tokens": "Tokens, counted in the same way.",
        "plans_counted": "Plans with a budget of their own, whose cost is what their tools said.",
    },
)
