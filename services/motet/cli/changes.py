"""`motet changes`: what came into force between two dates, and which plans ran under what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from motet.chassis.errors import ConfigurationError
from motet.cli.connection import reader
from motet.cli.output import JsonOption, console, rows_of, show, table
from motet.cli.past import moment_of

CAME: Final = "SELECT * FROM versions WHERE first_at >= %s AND first_at < %s ORDER BY first_at, kind, version"
# A plan's contracts as one text, so that plans of the same contracts are counted together; so is the code that decided its events, or if
# these do not say, that admitted it.
RAN: Final = """SELECT workflow, left(shape_sha256, 12) AS shape, mode, rules, coalesce(code, code_version) AS code_version, contracts,
count(*) AS plans, min(admitted_at) AS first_at, max(admitted_at) AS last_at,
(array_agg(plan_id ORDER BY admitted_at, plan_id))[:%s] AS plan_ids
FROM plans CROSS JOIN LATERAL (SELECT string_agg(DISTINCT c.tool || ' v' || c.contract_version, ', ') AS contracts
FROM calls AS c WHERE c.plan_id = plans.plan_id) AS k
CROSS JOIN LATERAL (SELECT string_agg(DISTINCT e.code_version, ', ') AS code
FROM lineage AS e WHERE e.plan_id = plans.plan_id AND e.topic = 'motet.events') AS h WHERE admitted_at >= %s AND admitted_at < %s
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY first_at, shape"""
WRITTEN: Final = "A time in ISO 8601, UTC where it says nothing else; or 90s, 15m, 2h, 3d ago; or now."

Row = dict[str, Any]


def changes(
    begin: Annotated[str, typer.Option("--from", help=WRITTEN)] = "7d",
    end: Annotated[str, typer.Option("--to", help=f"{WRITTEN} What is of that moment is left out.")] = "now",
    ids: Annotated[int, typer.Option("--plans", min=0, help="So many plan ids of each line are shown at most.")] = 0,
    json: JsonOption = False,
) -> None:
    """What changed between two dates: contracts, code, rules, strategies, workflows; and which plans ran under which."""
    now = datetime.now(UTC)
    since, until = time_of(begin, now), time_of(end, now)
    if since >= until:
        raise ConfigurationError(
            f"--from {begin} is not before --to {end}: nothing lies between {since:%FT%T} and {until:%FT%T} UTC"
        )
    with reader() as connection:
        came = rows_of(connection.execute(CAME, (since, until)))
        ran = rows_of(connection.execute(RAN, (ids, since, until)))
    if json:
        show({"from": since.isoformat(), "to": until.isoformat(), "came_into_force": came, "ran": ran})
        return
    console.print(f"came into force between {since:%F %T} and {until:%F %T} UTC")
    if came:
        rows = [
            [f"{one['first_at'].astimezone(UTC):%F %T}", one["kind"], escape(one["version"]), str(one["plans"])]
            for one in came
        ]
        table(["since", "what", "version", "plans"], rows)
    else:
        console.print("nothing")
    console.print("\nplans that were admitted then")
    if ran:
        table(["plans", "workflow", "shape", "strategy", "rules", "code", "contracts"], [ran_under(one) for one in ran])
    else:
        console.print("none")
    for one in ran if ids else ():
        console.print(f"{one['shape']}: {' '.join(one['plan_ids'])}", soft_wrap=True)


def ran_under(one: Row) -> list[str]:
    """A line of plans that have everything in common."""
    named = (one["workflow"], one["shape"], one["mode"], one["rules"], one["code_version"], one["contracts"])
    return [str(one["plans"]), *("-" if value in (None, "") else escape(str(value)) for value in named)]


def time_of(text: str, now: datetime) -> datetime:
    """A date as a person writes it. Raises ConfigurationError for what is none."""
    moment = moment_of(text, now)
    if not isinstance(moment, datetime):
        raise ConfigurationError(
            f"{text} is the place of a record; write a time: 2026-11-25T04:10, 90s, 15m, 2h, 3d or now"
        )
    return moment
