"""Why calls are not running yet, as a view: one row a reason."""

from __future__ import annotations

from typing import Final

from motet.projector.definition import View
from motet.projector.line_views import THE_PLAN, UNANSWERED

# Both are in one queue, `h` before `r`, and it is because of `h` that `r` waits: they cannot share, or, if there is no such, `h` is what the
# queue stops at.
BEHIND: Final = """h.tenant = r.tenant AND h.domain = r.domain AND h.host = r.host AND h.queue = r.queue
AND (h.place, h.rank) < (r.place, r.rank) AND CASE WHEN r.conflicts THEN NOT (r.below AND h.below) AND (r.kind = '' OR h.kind <> r.kind)
AND NOT (h.held AND h.plan_id = r.plan_id AND h.place = r.place) ELSE h.conflicts END"""

# Who is before a plan in the lines of the leases that it waits for.
BEFORE: Final = """SELECT w.plan_id AS waits, h.plan_id, w.asked_at AS since,
w.domain || '/' || r.resource || CASE h.state WHEN 'HELD' THEN ' held by ' ELSE ' wanted before by ' END || h.holder AS what
FROM {schema}.lease_requests AS w, unnest(w.resources) AS r (resource), {schema}.lease_requests AS h
WHERE w.ended_at IS NULL AND w.state = 'WAITING' AND w.plan_id IS NOT NULL AND h.ended_at IS NULL AND h.tenant = w.tenant
AND h.domain = w.domain AND r.resource = ANY (h.resources) AND h.place < w.place"""

WHY_WAITING: Final = View(
    "why_waiting",
    "Why calls of open plans are not running: one row a call and reason; a call without a row runs, or has ended.",
    f"""WITH l AS MATERIALIZED (SELECT * FROM {{schema}}.lines)
SELECT w.tenant, w.domain, w.plan_id, w.index, w.compensation, c.call_id, coalesce(k.tool, c.tool) AS tool,
w.reason, w.what, w.behind_plan, w.behind_index, w.behind_compensation, w.since FROM (
SELECT DISTINCT r.tenant, r.domain, r.plan_id, coalesce(n.index, r.index) AS index, r.compensation, 'RESOURCE' AS reason,
h.resource || ' ' || lower(h.state) AS what, h.plan_id AS behind_plan, h.index AS behind_index, h.compensation AS behind_compensation, r.since
FROM l AS r JOIN l AS h ON {BEHIND}
JOIN {{schema}}.calls AS n ON n.plan_id = r.plan_id AND r.index IN (n.index, {THE_PLAN}) AND (r.compensation OR n.status = 'WAITING')
WHERE r.waits AND r.state = 'WAITS'
UNION ALL
SELECT c.tenant, c.domain, c.plan_id, c.index, false, 'RESERVATION', 'the coordinator has not granted it yet', NULL, NULL, NULL, o.asked_at
FROM {{schema}}.calls AS c JOIN {{schema}}.reservations AS o USING (plan_id) WHERE c.status = 'WAITING' AND {UNANSWERED}
UNION ALL
SELECT c.tenant, c.domain, c.plan_id, c.index, false, 'PREDECESSOR', p.call_id || ' ' || lower(p.status), p.plan_id, p.index, false,
o.admitted_at
FROM {{schema}}.calls AS c JOIN {{schema}}.plans AS o USING (plan_id)
JOIN {{schema}}.calls AS p ON p.plan_id = c.plan_id AND p.index = ANY(c.after) AND p.committed_at IS NULL AND p.status <> 'ENDED'
WHERE c.status IN ('WAITING', 'AWAITING_APPROVAL')
UNION ALL
SELECT tenant, domain, plan_id, index, false, split_part(waits_for, ' ', 1), substr(waits_for, strpos(waits_for, ' ') + 1),
NULL, NULL, NULL, NULL
FROM {{schema}}.calls WHERE waits_for IS NOT NULL
UNION ALL
SELECT c.tenant, c.domain, c.plan_id, c.index, false, 'LEASE', coalesce(b.what, array_to_string(p.leases, ', ')), b.plan_id,
NULL, NULL, coalesce(b.since, p.admitted_at)
FROM {{schema}}.calls AS c JOIN {{schema}}.plans AS p USING (plan_id) LEFT JOIN ({BEFORE}) AS b ON b.waits = c.plan_id
WHERE c.status = 'WAITING' AND p.awaits_leases
UNION ALL
SELECT tenant, domain, plan_id, index, true, split_part(waits_for, ' ', 1), substr(waits_for, strpos(waits_for, ' ') + 1),
NULL, NULL, NULL, NULL
FROM {{schema}}.compensations WHERE waits_for IS NOT NULL
UNION ALL
SELECT a.tenant, a.domain, a.plan_id, a.index, false, 'APPROVAL', 'a person, until ' || a.expires_at, NULL, NULL, NULL, a.requested_at
FROM {{schema}}.approvals AS a WHERE a.state = 'REQUESTED'
UNION ALL
SELECT tenant, domain, plan_id, index, false, 'RETRY', 'until ' || next_attempt_at, NULL, NULL, NULL, NULL
FROM {{schema}}.calls WHERE status IN ('RETRYING', 'RECONCILING') AND next_attempt_at IS NOT NULL AND waits_for IS NULL
UNION ALL
SELECT tenant, domain, plan_id, index, true, 'RETRY', 'until ' || next_attempt_at, NULL, NULL, NULL, NULL
FROM {{schema}}.compensations WHERE next_attempt_at IS NOT NULL AND waits_for IS NULL
UNION ALL
SELECT tenant, domain, plan_id, index, false, 'DOUBT', 'to be settled', NULL, NULL, NULL, in_doubt_since
FROM {{schema}}.calls WHERE in_doubt
UNION ALL
SELECT tenant, domain, plan_id, index, true, 'DOUBT', 'to be settled', NULL, NULL, NULL, ended_at
FROM {{schema}}.compensations WHERE state = 'IN_DOUBT'
) AS w LEFT JOIN {{schema}}.calls AS c USING (plan_id, index)
LEFT JOIN {{schema}}.compensations AS k ON k.plan_id = w.plan_id AND k.index = w.index AND w.compensation""",
    {
        "tenant": "Whose it is.",
        "domain": "The unit of total order within the tenant.",
        "plan_id": "The plan.",
        "index": "The call of the plan.",
        "compensation": "True if it is what undoes that call.",
        "call_id": "Its name within the plan.",
        "tool": "The tool, toolset.function.",
        "reason": "RESOURCE, PREDECESSOR, RESERVATION (a hybrid plan's), LEASE, SLOT, BUDGET, APPROVAL, RETRY (its time has not come) or DOUBT (nobody knows whether it happened).",
        "what": "The resource and what its holder does with it, the call before it, the lease and who is before its plan (or, while the lease service has not answered, all that the plan waits for), of what too many are in flight, or until when.",
        "behind_plan": "The plan of the call that it waits for, if it waits for one.",
        "behind_index": "That call; -1 if it is a hybrid plan as one.",
        "behind_compensation": "True if it is what undoes that call.",
        "since": "Since when, where that is known.",
    },
)
