"""Who holds leases and who waits for them, as views of the requests."""

from __future__ import annotations

from typing import Final

from motet.projector.definition import View

LEASES: Final = View(
    "leases",
    "Who holds which resource now, and how many wait for it.",
    """SELECT h.tenant, h.domain, r.resource, h.holder, h.plan_id, h.lease_id, h.token, h.granted_at, h.expires_at, (
    SELECT count(*) FROM {schema}.lease_requests AS w
    WHERE w.ended_at IS NULL AND w.state = 'WAITING' AND w.tenant = h.tenant AND w.domain = h.domain AND r.resource = ANY (w.resources)
) AS waiting
FROM {schema}.lease_requests AS h, unnest(h.resources) AS r (resource)
WHERE h.ended_at IS NULL AND h.state = 'HELD'""",
    {
        "tenant": "Whose it is.",
        "domain": "The scope.",
        "resource": "The resource.",
        "holder": "Who holds it: an agent, or plan: and a plan's id.",
        "plan_id": "The plan that holds it. Null if none does.",
        "lease_id": "The lease, which may hold several resources.",
        "token": "The fencing token.",
        "granted_at": "Since when.",
        "expires_at": "Until when, unless it is renewed.",
        "waiting": "How many wait for it.",
    },
)

LEASE_WAITS: Final = View(
    "lease_waits",
    "Who waits for which resource, in which place, and who has it.",
    """SELECT w.tenant, w.domain, r.resource, w.holder, w.plan_id, w.lease_id, w.asked_at, w.wait_until, (
    SELECT count(*) FROM {schema}.lease_requests AS b
    WHERE b.ended_at IS NULL AND b.tenant = w.tenant AND b.domain = w.domain AND r.resource = ANY (b.resources) AND b.place < w.place
) AS ahead, (
    SELECT h.holder FROM {schema}.lease_requests AS h
    WHERE h.ended_at IS NULL AND h.state = 'HELD' AND h.tenant = w.tenant AND h.domain = w.domain AND r.resource = ANY (h.resources)
) AS held_by
FROM {schema}.lease_requests AS w, unnest(w.resources) AS r (resource)
WHERE w.ended_at IS NULL AND w.state = 'WAITING'""",
    {
        "tenant": "Whose it is.",
        "domain": "The scope.",
        "resource": "The resource.",
        "holder": "Who waits: an agent, or plan: and a plan's id.",
        "plan_id": "The plan that waits. Null if none does.",
        "lease_id": "The lease that it will be.",
        "asked_at": "Since when.",
        "wait_until": "It ends by then unless it is granted before.",
        "ahead": "How many are before it in this resource's line; 0 if it waits for other resources only.",
        "held_by": "Who holds the resource. Null if nobody does.",
    },
)
