"""Which versions of what decides were in force when, and for how many plans."""

from __future__ import annotations

from typing import Final

from motet.projector.definition import View

OF_PLANS: Final = """SELECT '{kind}' AS kind, {version} AS version, min(admitted_at) AS first_at, max(admitted_at) AS last_at, count(*) AS plans
FROM {{schema}}.plans WHERE admitted_at IS NOT NULL GROUP BY 2"""
WORKFLOW: Final = "coalesce(workflow, 'without a name') || ', shape ' || coalesce(left(shape_sha256, 12), 'unknown')"
KINDS: Final = {
    "RULES": "coalesce(rules::text, 'unknown')",
    "STRATEGY": "mode",
    "WORKFLOW": WORKFLOW,
}

VERSIONS: Final = View(
    "versions",
    "Every version of what decides: contracts, code of hosts and of tool services, rules, strategies, workflows; since when, and for which plans.",
    "\nUNION ALL\n".join(OF_PLANS.format(kind=kind, version=version) for kind, version in KINDS.items())
    + """
UNION ALL
SELECT 'CONTRACT', c.name || ' v' || c.version, c.published_at, max(p.admitted_at), count(DISTINCT p.plan_id)
FROM {schema}.contracts AS c LEFT JOIN ({schema}.calls AS k JOIN {schema}.plans AS p USING (plan_id))
ON k.tool = c.name AND k.contract_version = c.version GROUP BY c.name, c.version, c.published_at
UNION ALL
SELECT 'HOST_CODE', coalesce(e.code_version, p.code_version, 'unknown'), min(e.recorded_at), max(e.recorded_at), count(DISTINCT p.plan_id)
FROM {schema}.lineage AS e JOIN {schema}.plans AS p USING (plan_id) WHERE e.topic = 'motet.events' GROUP BY 2
UNION ALL
SELECT 'TOOLS_CODE', code_version, min(recorded_at), max(recorded_at), count(DISTINCT plan_id)
FROM {schema}.lineage WHERE type = 'CallsFinished' AND code_version IS NOT NULL GROUP BY 2""",
    {
        "kind": "CONTRACT, HOST_CODE, TOOLS_CODE, RULES, STRATEGY or WORKFLOW.",
        "version": "Which one.",
        "first_at": "Since when: a contract's publication, else the first plan that was of it; of code, what it decided or returned first.",
        "last_at": "The last one that was of it. Null if none was.",
        "plans": "How many plans were of it.",
    },
)
