"""`motet roi`: what parallel calls with each effect once were worth, by tenant, and what each figure was computed from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from motet.chassis.errors import ConfigurationError
from motet.cli.changes import time_of
from motet.cli.looking import Tenant, query
from motet.cli.output import JsonOption, console, show, table

DAYS: Final = "Days in UTC: a date, or a time on that day; 90s, 15m, 2h or 3d ago; now."
ADDED_UP: Final = (
    *("plans", "plans_ended", "calls", "serial_seconds", "plan_seconds", "busy_seconds"),
    *("retries_absorbed", "attempts_repeated", "commands_repeated", "calls_spared", "in_doubt_caught"),
    *("late_results", "stale_writes_refused", "calls_undone", "cost_micros", "tokens", "plans_counted"),
)
SUMS: Final = ", ".join(f"sum({name}) AS {name}" for name in ADDED_UP)
ASKED: Final = f"SELECT tenant, {SUMS} FROM roi WHERE day >= %s AND day <= %s GROUP BY tenant ORDER BY tenant"
TOTAL: Final = "total"
MICROS: Final = 1_000_000

Row = dict[str, Any]

# Each figure: its name, and what it is computed from.
TIME: Final = (
    ("plans", "plans that were admitted on these days"),
    ("calls", "calls of theirs that were sent at least once"),
    (
        "one after another",
        "the sum of what each call of an ended plan took in the log, from its first attempt to its end",
    ),
    (
        "as plans",
        "the sum of what the ended plans took, from admission to end, waits for resources and people included",
    ),
    ("speed-up", "the one by the other: how much sooner an agent had all its answers"),
    ("saved", "the difference: what agents did not wait"),
    ("throughput", "calls one after another, by the time in which any plan was open: how much more was done in it"),
)
HARM: Final = (
    ("retries absorbed", "calls that succeeded after their first attempt had not"),
    ("commands repeated", "commands that came again and got the first answer"),
    ("calls spared", "the calls in those commands, none of which ran again"),
    ("in doubt, caught", "calls of which nobody knew whether they had happened, and which were not repeated blindly"),
    ("late results", "results that came when their call had its end: recorded, and not merged"),
    ("stale writes", "attempts that met another version than they were decided on, and did nothing"),
    ("undone", "calls that were undone because their plan failed"),
)
COST: Final = (
    (
        "cost",
        "what budgets of plans counted; of plans without one, the contract's price of each call that happened or may have",
    ),
    ("a call", "the cost by the calls that were sent"),
    ("tokens", "counted as the cost is"),
    ("counted", "plans with a budget of their own, whose cost is what their tools said"),
)


def roi(
    tenant: Tenant = None,
    since: Annotated[str, typer.Option(help=f"The first day. {DAYS}")] = "30d",
    until: Annotated[str, typer.Option(help="The last day, written in the same way.")] = "now",
    json: JsonOption = False,
) -> None:
    """What was gained over calls one after another: time, failures that did no harm, and what it cost, by tenant."""
    now = datetime.now(UTC)
    first, last = (time_of(text, now).astimezone(UTC).date() for text in (since, until))
    if first > last:
        raise ConfigurationError(f"--since {since} is after --until {until}: no day lies between {first} and {last}")
    rows = [figures(row) for row in query(ASKED, (first, last), tenant)]
    total = added_up(rows)
    if json:
        show({"since": first, "until": last, "tenants": rows, "total": total})
        return
    if not rows:
        console.print(f"no plan was admitted from {first} to {last} (UTC)")
        return
    console.print(f"plans that were admitted from {first} to {last} (UTC)\n")
    shown = rows if len(rows) == 1 else [*rows, total]
    for title, names, of in (("time", TIME, time), ("harm that was not done", HARM, harm), ("cost", COST, cost)):
        explained(title, names, [(row["tenant"], of(row)) for row in shown])


def figures(row: Row) -> Row:
    """A tenant's sums, as numbers that JSON has, and what follows from them."""
    sums = {name: float(row[name]) if name.endswith("_seconds") else int(row[name]) for name in ADDED_UP}
    return {"tenant": row["tenant"], **sums, **following(sums)}


def following(sums: Row) -> Row:
    """What follows from sums."""
    serial = sums["serial_seconds"]
    return {
        "seconds_saved": serial - sums["plan_seconds"],
        "speed_up": ratio(serial, sums["plan_seconds"]),
        "throughput_gain": ratio(serial, sums["busy_seconds"]),
        "cost_micros_per_call": None if sums["cost_micros"] is None else ratio(sums["cost_micros"], sums["calls"]),
    }


def ratio(one: float, other: float) -> float | None:
    """None where there is nothing to divide by."""
    return one / other if other else None


def added_up(rows: Sequence[Row]) -> Row:
    """All tenants together. Each has a currency of its own, so what several cost is no sum."""
    sums: Row = {name: sum(row[name] for row in rows) for name in ADDED_UP}
    if len(rows) > 1:
        sums["cost_micros"] = None
    return {"tenant": TOTAL, **sums, **following(sums)}


def explained(title: str, figures: Sequence[tuple[str, str]], columns: Sequence[tuple[str, Sequence[str]]]) -> None:
    """A line for each figure: one value a tenant, and what it was computed from."""
    headings = [title, *(escape(tenant) for tenant, _ in columns), "computed from"]
    lines = [[name, *(values[at] for _, values in columns), why] for at, (name, why) in enumerate(figures)]
    table(headings, lines)
    console.print()


def time(row: Row) -> list[str]:
    """What is shown of time."""
    plans = f"{row['plans']:,}"
    if row["plans"] != row["plans_ended"]:
        plans += f" ({row['plans'] - row['plans_ended']:,} open)"
    seconds = (f"{row[name]:,.1f} s" for name in ("serial_seconds", "plan_seconds"))
    return [
        plans,
        f"{row['calls']:,}",
        *seconds,
        times(row["speed_up"]),
        f"{row['seconds_saved']:,.1f} s",
        times(row["throughput_gain"]),
    ]


def harm(row: Row) -> list[str]:
    """What is shown of failures that did no harm."""
    names = ("retries_absorbed", "commands_repeated", "calls_spared", "in_doubt_caught", "late_results")
    return [f"{row[name]:,}" for name in (*names, "stale_writes_refused", "calls_undone")]


def cost(row: Row) -> list[str]:
    """What is shown of cost, in the tenant's currency."""
    money = [row["cost_micros"], row["cost_micros_per_call"]]
    shown = ("-" if one is None else f"{one / MICROS:,.6f}" for one in money)
    return [*shown, f"{row['tokens']:,}", f"{row['plans_counted']:,} of {row['plans']:,} plans"]


def times(factor: float | None) -> str:
    """A factor."""
    return "-" if factor is None else f"{factor:.2f} times"
