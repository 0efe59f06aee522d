"""`motet calls`, `approvals`, `compensations`, `budgets` and `breakers`: what waits for somebody, from the projections."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated, Any

import typer
from rich.markup import escape

from motet.cli.connection import reader
from motet.cli.output import JsonOption, colored, console, rows_of, show, table

SHOWN = 50
calls = typer.Typer(
    no_args_is_help=True, help="Calls: all of them, or those of which nobody knows whether they happened."
)

Tenant = Annotated[str | None, typer.Option(help="As this tenant sees it: row security is on.")]
Last = Annotated[int, typer.Option("--last", "-n", min=1, help="How many at most, the newest first.")]


def query(text: str, parameters: tuple[Any, ...] | dict[str, Any], tenant: str | None) -> list[dict[str, Any]]:
    """Rows of the projections."""
    with reader(tenant) as connection:
        return rows_of(connection.execute(text.encode(), parameters))


def lines(rows: list[dict[str, Any]], names: tuple[str, ...], json: bool, none: str) -> None:
    """Rows as a table, or as JSON."""
    if json:
        show(rows)
    elif not rows:
        console.print(none)
    else:
        table(list(names), [[cell(name, row[name]) for name in names] for row in rows])


def cell(name: str, value: Any) -> str:
    """A value for people."""
    if value is None:
        return ""
    if name in ("status", "state"):
        return colored(str(value))
    if isinstance(value, (dict, list)):
        return escape(jsonlib.dumps(value, ensure_ascii=False))
    return escape(str(value))


@calls.command("list")
def list_calls(
    status: Annotated[str | None, typer.Option(help="Only calls in this status, such as RETRYING.")] = None,
    tool: Annotated[str | None, typer.Option(help="Only calls of this tool.")] = None,
    tenant: Tenant = None,
    last: Last = SHOWN,
    json: JsonOption = False,
) -> None:
    """Calls with their attempts, those that began last first."""
    rows = query(
        "SELECT plan_id, call_id, tool, status, attempt, started_at, next_attempt_at, error_code, progress FROM calls "
        "WHERE (%s::text IS NULL OR status = %s) AND (%s::text IS NULL OR tool = %s) ORDER BY started_at DESC NULLS FIRST, plan_id, index LIMIT %s",
        (status, status, tool, tool, last),
        tenant,
    )
    lines(
        rows,
        ("plan_id", "call_id", "tool", "status", "attempt", "next_attempt_at", "error_code", "progress"),
        json,
        "no calls",
    )


@calls.command("in-doubt")
def in_doubt(tenant: Tenant = None, last: Last = SHOWN, json: JsonOption = False) -> None:
    """Calls, and compensations, of which nobody knows whether they happened, and how to settle them."""
    rows = query(
        # As text: json values cannot be compared, and a union compares.
        "SELECT plan_id, call_id, tool, key, arguments::text, error_code, error_message, in_doubt_since AS since, false AS compensation "
        "FROM calls WHERE in_doubt UNION ALL "
        "SELECT o.plan_id, c.call_id, o.tool, o.key, o.arguments::text, o.error_code, o.error_message, o.ended_at, true "
        "FROM compensations AS o JOIN calls AS c USING (plan_id, index) WHERE o.state = 'IN_DOUBT' ORDER BY since DESC, plan_id, call_id LIMIT %s",
        (last,),
        tenant,
    )
    if json or not rows:
        lines(rows, (), json, "no call is in doubt")
        return
    for one in rows:
        what = "compensation of " if one["compensation"] else ""
        console.print(
            f"{what}{escape(one['call_id'])} of plan {one['plan_id']} {colored('IN_DOUBT')} since {one['since']:%F %T}"
        )
        console.print(f"  {one['tool']} {escape(str(one['arguments']))}", highlight=False)
        console.print(f"  key {one['key']}: {one['error_code']}: {escape(str(one['error_message']))}", highlight=False)
        flag = " --compensation" if one["compensation"] else ""
        for way in ("--happened --result JSON", "--did-not-happen", *(() if flag else ("--compensate",))):
            console.print(f"  motet settle {one['plan_id']} {escape(one['call_id'])} {way}{flag}", highlight=False)


def approvals(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
    tenant: Tenant = None,
    last: Last = SHOWN,
    json: JsonOption = False,
) -> None:
    """Calls that wait for a person: `motet approve PLAN CALL`, `motet deny PLAN CALL`."""
    rows = query(
        "SELECT plan_id, call_id, tool, arguments, arguments_sha256, state, requested_at, expires_at, decided_by, reason FROM approvals "
        "WHERE %s OR state = 'REQUESTED' ORDER BY requested_at DESC, plan_id, index LIMIT %s",
        (everything, last),
        tenant,
    )
    names = ("plan_id", "call_id", "tool", "arguments", "state", "expires_at", "decided_by")
    lines(rows, names, json, "nothing waits for a person")


def compensations(tenant: Tenant = None, last: Last = SHOWN, json: JsonOption = False) -> None:
    """Calls that were undone, are, or could not be: `motet resume PLAN`."""
    rows = query(
        "SELECT o.plan_id, c.call_id, c.tool, o.tool AS undone_by, o.arguments, o.attempt, o.state, o.error_code, o.error_message, "
        "o.ended_at FROM compensations AS o JOIN calls AS c USING (plan_id, index) ORDER BY o.started_at DESC NULLS FIRST, o.plan_id, o.index LIMIT %s",
        (last,),
        tenant,
    )
    lines(
        rows,
        ("plan_id", "call_id", "tool", "undone_by", "arguments", "attempt", "state", "error_code"),
        json,
        "nothing was undone",
    )


def conflicts(
    resource: Annotated[str | None, typer.Option(help="Only conflicts over this resource.")] = None,
    tenant: Tenant = None,
    last: Last = SHOWN,
    json: JsonOption = False,
) -> None:
    """Calls that met another version than they expected: both sides, and what followed."""
    rows = query(
        "SELECT at, resource, plan_id, index, tool, attempt, expected, found, found_plan_id, found_index, found_key, found_at, next "
        "FROM conflicts WHERE %s::text IS NULL OR resource = %s ORDER BY hlc DESC, event_id, resource LIMIT %s",
        (resource, resource, last),
        tenant,
    )
    names = ("resource", "plan_id", "index", "attempt", "expected", "found", "found_plan_id", "found_index", "next")
    lines(rows, names, json, "no call met another version than it expected")


def budgets(tenant: Tenant = None, last: Last = SHOWN, json: JsonOption = False) -> None:
    """What plans and agents may spend, have reserved and have spent."""
    rows = query(
        "SELECT * FROM budgets ORDER BY changed_at DESC, tenant, domain, agent, plan_id LIMIT %s", (last,), tenant
    )
    if json or not rows:
        lines(rows, (), json, "there are no budgets")
        return
    kinds = ("calls", "cost_micros", "tokens", "milliseconds")
    table(
        ["tenant/domain", "agent", "plan", *(f"{kind} spent+reserved/limit" for kind in kinds)],
        [
            [
                f"{one['tenant']}/{one['domain']}",
                escape(one["agent"]),
                one["plan_id"][:8],
                *(
                    f"{one[f'{kind}_spent']}+{one[f'{kind}_reserved']}/{'∞' if one[f'{kind}_limit'] is None else one[f'{kind}_limit']}"
                    for kind in kinds
                ),
            ]
            for one in rows
        ],
    )


def breakers(json: JsonOption = False) -> None:
    """Tools whose circuit breaker ever opened, by host of plans and shard."""
    rows = query(
        "SELECT tool, host, partition, state, failures, until, changed_at FROM breakers ORDER BY tool, host, partition",
        (),
        None,
    )
    lines(rows, ("tool", "host", "partition", "state", "failures", "until"), json, "no breaker ever opened")
