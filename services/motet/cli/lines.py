"""`motet resources` and `motet calls waiting`: who has what, who waits for it, and why a call is not running yet."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from motet.cli.looking import SHOWN, Last, Tenant, calls, lines, query
from motet.cli.output import JsonOption

Domain = Annotated[str | None, typer.Option(help="Only this domain.")]
# Names that have something in common: they are one, or one is the whole of what begins as the other does.
# What undoes a call has that call's name; a hybrid plan is one in the coordinator's lines.
NAMED: Final = (
    "CASE WHEN {0}compensation THEN 'undo of ' ELSE '' END || CASE {0}index WHEN -1 THEN 'the plan' ELSE c.call_id END"
)
IN_COMMON: Final = (
    "(r.resource = %(name)s OR (right(r.resource, 1) = '*' AND starts_with(%(name)s, left(r.resource, -1))) "
    "OR (right(%(name)s, 1) = '*' AND starts_with(r.resource, left(%(name)s, -1))))"
)


def resources(
    name: Annotated[
        str | None, typer.Option(help="Only what has this in common: account:42, or account:* for all of them.")
    ] = None,
    domain: Domain = None,
    tenant: Tenant = None,
    last: Last = SHOWN,
    json: JsonOption = False,
) -> None:
    """Who holds what, and who waits for it, in the order of the line; `behind` is how many calls somebody waits for there."""
    rows = query(
        f"SELECT r.tenant, r.domain, r.resource, r.mode, r.operation, r.state, {NAMED.format('r.')} AS call_id, r.plan_id, "
        "r.since, coalesce(w.behind, 0) AS behind FROM resources AS r LEFT JOIN calls AS c USING (plan_id, index) LEFT JOIN ("
        "SELECT plan_id, index, compensation, count(*) AS behind FROM why_waiting WHERE reason = 'RESOURCE' GROUP BY 1, 2, 3"
        ") AS w USING (plan_id, index, compensation) "
        f"WHERE (%(name)s::text IS NULL OR {IN_COMMON}) AND (%(domain)s::text IS NULL OR r.domain = %(domain)s) "
        "ORDER BY r.tenant, r.domain, r.place, r.plan_id, r.rank, r.resource LIMIT %(last)s",
        {"name": name, "domain": domain, "last": last},
        tenant,
    )
    names = ("tenant", "domain", "resource", "mode", "state", "behind", "call_id", "plan_id", "since")
    lines(rows, names, json, "nothing is held, and nobody waits")


@calls.command("waiting")
def waiting(domain: Domain = None, tenant: Tenant = None, last: Last = SHOWN, json: JsonOption = False) -> None:
    """Calls that do not run yet, and why: a line for each reason."""
    rows = query(
        "SELECT w.plan_id, CASE WHEN w.compensation THEN 'undo of ' ELSE '' END || w.call_id AS call_id, w.tool, w.reason, w.what, "
        f"{NAMED.format('w.behind_')} AS behind_call, w.behind_plan, w.since FROM why_waiting AS w "
        "LEFT JOIN calls AS c ON c.plan_id = w.behind_plan AND c.index = w.behind_index "
        "WHERE %(domain)s::text IS NULL OR w.domain = %(domain)s "
        "ORDER BY w.plan_id, w.index, w.reason, w.what, w.behind_plan, w.behind_index LIMIT %(last)s",
        {"domain": domain, "last": last},
        tenant,
    )
    names = ("plan_id", "call_id", "tool", "reason", "what", "behind_call", "behind_plan")
    lines(rows, names, json, "no call waits")
