"""Why calls are not running yet, as a view: one row a reason."""

from __future__ import annotations

from typing import Final

from motet.projector.definition import View

# A star stands at the end of wholes only: in an argument it is written otherwise.
OVERLAP: Final = """(h.resource = r.resource
OR (right(h.resource, 1) = '*' AND starts_with(r.resource, left(h.resource, -1)))
OR (right(r.resource, 1) = '*' AND starts_with(h.resource, left(r.resource, -1))))"""
SHARE: Final = "h.mode = r.mode AND h.operation = r.operation AND r.mode IN ('READ', 'COMMUTE')"

# Who is before a plan in the lines of the leases that it waits for.
BEFORE: Final = """SELECT w.plan_id AS waits, h.plan_id, w.asked_at AS since,
w.domain || '/' || r.resource || CASE h.state WHEN 'HELD' THEN ' held by ' ELSE ' wanted before by ' END || h.holder AS what
FROM {schema}.lease_requests AS w, unnest(w.resources) AS r (resource), {schema}.lease_requests AS h
WHERE w.ended_at IS NULL AND w.state = 'WAITING' AND w.plan_id IS NOT NULL AND h.ended_at IS NULL AND h.tenant = w.tenant
AND h.domain = w.domain AND r.resource = ANY (h.resources) AND h.place < w.place"""

WHY_WAITING: Final = View(
    "why_waiting",
    "Why calls of open plans are not running: one row a call and reason; a call without a row runs, or has ended.",
    f"""SELECT r.tenant, r.domain, r.plan_id, r.index, c.call_id, c.tool, 'RESOURCE' AS reason,
h.resource || ' ' || lower(h.state) AS what, h.plan_id AS behind_plan, h.index AS behind_index, r.since
FROM {{schema}}.resources AS r
JOIN {{schema}}.calls AS c ON c.plan_id = r.plan_id AND c.index = r.index AND c.status IN ('WAITING', 'RETRYING')
JOIN {{schema}}.resources AS h ON h.tenant = r.tenant AND h.domain = r.domain AND {OVERLAP}
AND (h.place, h.index) < (r.place, r.index) AND NOT ({SHARE})
AND (h.plan_id <> r.plan_id OR h.index <> r.index AND NOT h.call_ended)
WHERE r.state = 'WAITS'
UNION ALL
SELECT c.tenant, c.domain, c.plan_id, c.index, c.call_id, c.tool, 'PREDECESSOR', p.call_id || ' ' || lower(p.status), p.plan_id, p.index,
o.admitted_at
FROM {{schema}}.calls AS c JOIN {{schema}}.plans AS o USING (plan_id)
JOIN {{schema}}.calls AS p ON p.plan_id = c.plan_id AND p.index = ANY(c.after) AND p.committed_at IS NULL
WHERE c.status = 'WAITING'
UNION ALL
SELECT tenant, domain, plan_id, index, call_id, tool, split_part(waits_for, ' ', 1), substr(waits_for, strpos(waits_for, ' ') + 1),
NULL, NULL, NULL
FROM {{schema}}.calls WHERE waits_for IS NOT NULL AND status IN ('WAITING', 'RETRYING')
UNION ALL
SELECT c.tenant, c.domain, c.plan_id, c.index, c.call_id, c.tool, 'LEASE', coalesce(b.what, array_to_string(p.leases, ', ')), b.plan_id,
NULL, coalesce(b.since, p.admitted_at)
FROM {{schema}}.calls AS c JOIN {{schema}}.plans AS p USING (plan_id) LEFT JOIN ({BEFORE}) AS b ON b.waits = c.plan_id
WHERE c.status = 'WAITING' AND p.awaits_leases
UNION ALL
SELECT tenant, domain, plan_id, index, call_id, tool, 'APPROVAL', 'a person', NULL, NULL, NULL
FROM {{schema}}.calls WHERE status = 'AWAITING_APPROVAL'
UNION ALL
SELECT tenant, domain, plan_id, index, call_id, tool, 'RETRY', 'until ' || next_attempt_at::text, NULL, NULL, NULL
FROM {{schema}}.calls WHERE status IN ('RETRYING', 'RECONCILING') AND next_attempt_at IS NOT NULL AND waits_for IS NULL
UNION ALL
SELECT tenant, domain, plan_id, index, call_id, tool, 'DOUBT', 'to be settled', NULL, NULL, in_doubt_since
FROM {{schema}}.calls WHERE in_doubt""",
    {
        "tenant": "Whose it is.",
        "domain": "The unit of total order within the tenant.",
        "plan_id": "The plan.",
        "index": "The call of the plan.",
        "call_id": "Its name within the plan.",
        "tool": "The tool, toolset.function.",
        "reason": "RESOURCE, PREDECESSOR, LEASE, SLOT, BUDGET, APPROVAL, RETRY (its time has not come) or DOUBT (nobody knows whether it happened).",
        "what": "The resource and what its holder does with it, the call before it, the lease and who is before its plan (or, while the lease service has not answered, all that the plan waits for), of what too many are in flight, or until when.",
        "behind_plan": "The plan of the call that it waits for, if it waits for one.",
        "behind_index": "That call.",
        "since": "Since when, where that is known.",
    },
)
