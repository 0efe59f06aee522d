"""Who holds what and who waits for it, as views: what `motet.resources.queues` would say of the places that the rows have.

The first claim in a queue that cannot share with all that are before it waits, and so does everything behind it. The counts are those that
the queues keep, as windows: no pair of claims is compared.
"""

from __future__ import annotations

from typing import Final

from motet.projector.definition import View

# The index of a hybrid plan as one, in the coordinator's lines.
THE_PLAN: Final = -1
QUEUE: Final = "PARTITION BY tenant, domain, host, queue"
BEFORE: Final = "ORDER BY place, rank ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
# What is before a claim and in its way. Claims below a whole are not in each other's way in the whole's queue, and those of calls that
# ended are not in the way of their own line.
IN_THE_WAY: Final = """CASE WHEN below THEN count(*) FILTER (WHERE NOT below) OVER {all} - count(*) FILTER (WHERE NOT below AND held) OVER {own}
ELSE count(*) OVER {all} - count(*) FILTER (WHERE held) OVER {own} END"""

# A hybrid plan that has no answer is in its own host's lines with nothing; in the coordinator's it is one.
UNANSWERED: Final = "o.plan_id IS NOT NULL AND o.granted_at IS NULL AND o.refused_at IS NULL AND o.released_at IS NULL"
RESERVED: Final = """{schema}.reservations AS o, json_to_recordset(o.claims) AS x (resource text, mode text, operation text, queues text[])
WHERE o.refused_at IS NULL AND o.released_at IS NULL"""
PLACES: Final = f"""SELECT c.tenant, c.domain, c.host, c.place, c.rank, c.plan_id, c.index, c.compensation, c.resource, c.mode, c.operation, c.queues,
c.isolation, c.since, c.call_ended AND NOT c.open AS held, CASE WHEN c.in_doubt THEN 'QUARANTINE' END AS known
FROM {{schema}}.claims AS c LEFT JOIN {{schema}}.reservations AS o USING (plan_id) WHERE c.place IS NOT NULL AND NOT ({UNANSWERED})
UNION ALL SELECT o.tenant, o.domain, 'coordinator', o.place, 0, o.plan_id, {THE_PLAN}, false, x.resource, x.mode, x.operation, x.queues,
'PLAN', o.asked_at, false, CASE WHEN o.granted_at IS NULL THEN 'WAITS' WHEN o.doubt <> '' THEN 'QUARANTINE' ELSE 'HOLDS' END
FROM {RESERVED}"""

LINES: Final = View(
    "lines",
    "Every claim that is in line, once for each queue that it passes: that of its resource, and those of the wholes above it.",
    f"""SELECT tenant, domain, host, queue, place, rank, plan_id, index, compensation, resource, mode, operation, isolation, since, below, kind, held,
conflicts, waits, coalesce(known, CASE WHEN bool_or(waits) OVER (PARTITION BY plan_id, index, compensation, resource)
THEN 'WAITS' ELSE 'HOLDS' END) AS state
FROM (SELECT *, bool_or(conflicts) OVER ({QUEUE} ORDER BY place, rank) AS waits
FROM (SELECT *, others > 0 AND (kind = '' OR others > same) AS conflicts
FROM (SELECT *, {IN_THE_WAY.format(all=f"({QUEUE} {BEFORE})", own=f"({QUEUE}, plan_id, place {BEFORE})")} AS others,
{IN_THE_WAY.format(all=f"({QUEUE}, kind {BEFORE})", own=f"({QUEUE}, kind, plan_id, place {BEFORE})")} AS same
FROM (SELECT u.*, q.queue, q.queue <> u.resource AS below,
CASE u.mode WHEN 'READ' THEN 'READ' WHEN 'COMMUTE' THEN 'COMMUTE ' || u.operation ELSE '' END AS kind
FROM ({PLACES}) AS u, unnest(u.queues) AS q (queue)) AS a) AS b) AS d) AS e""",
    {
        "tenant": "Whose it is.",
        "domain": "The unit of total order within the tenant.",
        "host": "The service that keeps the line.",
        "queue": "The resource, or a whole above it.",
        "place": "Its place in the queue; those that got there together have the same.",
        "rank": "Its place among these.",
        "plan_id": "The plan.",
        "index": "The call of the plan; -1 if it is a hybrid plan as one, in the coordinator's lines.",
        "compensation": "True if it is what undoes that call.",
        "resource": "What it claims.",
        "mode": "READ, WRITE or COMMUTE.",
        "operation": "Of a commuting use: it commutes with uses of the same operation.",
        "isolation": "PLAN: until the plan ends. CALL: until the call ends.",
        "since": "Since when it is in line, or its plan was admitted.",
        "below": "True if the queue is that of a whole, of which it claims a part.",
        "kind": "What it shares with its own kind; nothing if it is a write, which is alone.",
        "held": "True if the call ended and its plan keeps it: it is not in the way of calls that got in line together with it.",
        "conflicts": "True if something before it in the queue cannot be shared with it.",
        "waits": "True if that is so of it, or of somebody before it.",
        "state": "HOLDS, WAITS or QUARANTINE: of the claim, in all the queues that it passes.",
    },
)

RESOURCES: Final = View(
    "resources",
    "What open plans use now: who holds a resource and who waits for it.",
    f"""SELECT tenant, domain, resource, mode, operation, state, plan_id, index, compensation, host, isolation, place, rank, since
FROM {{schema}}.lines WHERE NOT below
UNION ALL
SELECT c.tenant, c.domain, c.resource, c.mode, c.operation, CASE WHEN {UNANSWERED} THEN 'AWAITS_RESERVATION'
WHEN c.outside = 'PREDECESSOR' AND p.awaits_leases THEN 'AWAITS_LEASE' ELSE 'AWAITS_' || c.outside END,
c.plan_id, c.index, c.compensation, c.host, c.isolation, c.place, c.rank, c.since
FROM {{schema}}.claims AS c LEFT JOIN {{schema}}.plans AS p USING (plan_id) LEFT JOIN {{schema}}.reservations AS o USING (plan_id)
WHERE c.place IS NULL OR {UNANSWERED}""",
    {
        "tenant": "Whose it is.",
        "domain": "The unit of total order within the tenant.",
        "resource": "The resource's name, such as account:42.",
        "mode": "READ, WRITE or COMMUTE.",
        "operation": "Of a commuting use: it commutes with uses of the same operation.",
        "state": "HOLDS; WAITS; AWAITS_RESERVATION, _LEASE, _APPROVAL, _RESULT or _PREDECESSOR: not in line before; QUARANTINE: held by a call in doubt.",
        "plan_id": "The plan.",
        "index": "The call of the plan; -1 if it is a hybrid plan as one, in the coordinator's lines.",
        "compensation": "True if it is what undoes that call.",
        "host": "The service in whose lines it is: coordinator or agents.",
        "isolation": "PLAN: until the plan ends. CALL: until the call ends.",
        "place": "Its place in line, by the clock of the event that it got there with. Null if it is in none.",
        "rank": "Its place among those that got there with the same event.",
        "since": "Since when it is in line, or its plan was admitted.",
    },
)
