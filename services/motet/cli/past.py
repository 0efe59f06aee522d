"""`motet at MOMENT COMMAND` and `motet compare THEN LATER`: what the tables said at a moment, from the topics alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import psycopg
import typer
from rich.markup import escape

from motet.chassis.cuts import Place
from motet.chassis.errors import ConfigurationError
from motet.cli import letters, lines, looking, plans
from motet.cli.connection import SURFACE, settings
from motet.cli.output import JsonOption, console, errors, show, table, watched

if TYPE_CHECKING:
    from motet.projector.comparing import Change
    from motet.projector.past import Past

MOMENT: Final = (
    "A time in ISO 8601, UTC where it says nothing else; 90s, 15m, 2h or 3d ago; now; or the place of a record, "
    "such as motet.events:2:1734, that record included"
)
DIFFERENT: Final = 1
SHOWN_LETTERS: Final = 100
Moment = Annotated[str, typer.Argument(help=MOMENT)]

app = typer.Typer(
    no_args_is_help=True,
    help="What a command would have shown at a moment: `motet at 2026-11-25T04:10 plan ID`. Read from the topics, not from today's tables.",
)
for plan_command in (plans.plan, plans.sql, lines.resources):
    app.command()(plan_command)
for looking_command in (looking.approvals, looking.compensations, looking.conflicts, looking.budgets, looking.breakers):
    app.command()(looking_command)
app.add_typer(looking.calls, name="calls")


@app.callback()
def at(context: typer.Context, moment: Moment) -> None:
    """Everything that Kafka had by then, that moment included; the tables are kept for the next question."""
    past = context.with_resource(shown(moment))
    token = SURFACE.set(past.schema)
    context.call_on_close(lambda: SURFACE.reset(token))


def compare(
    then: Moment,
    later: Annotated[str, typer.Argument(help="The other moment, written in the same way")] = "now",
    plan_id: Annotated[str | None, typer.Option("--plan", help="Only rows about this plan.")] = None,
    only: Annotated[str | None, typer.Option("--table", help="Only this table, row by row.")] = None,
    last: Annotated[int, typer.Option("--rows", "-n", min=1, help="Rows of a table that are shown at most.")] = 20,
    json: JsonOption = False,
) -> None:
    """What changed between two moments. The exit code is 1 if anything did, as diff's is."""
    from motet.projector import comparing  # noqa: PLC0415  the deciders of projections are needed by few commands

    compared = [one for one in comparing.COMPARED if only in (None, one.name)]
    if not compared:
        known = ", ".join(one.name for one in comparing.COMPARED)
        raise ConfigurationError(f"there is no table {only!r}; there are {known}")
    if plan_id is not None:
        compared = [one for one in compared if comparing.of_plans(one)]
    with ExitStack() as stack:
        before, after = (stack.enter_context(shown(moment)) for moment in (then, later))
        with psycopg.connect(settings().postgres_url, autocommit=True) as connection:
            asked = (before.schema, after.schema, plan_id)
            found = {one.name: comparing.counts(connection, one, *asked) for one in compared}
            # All tables row by row would be a dump; one plan's rows, or one table's, are an answer.
            rows = {
                one.name: comparing.changes(connection, one, *asked, last)
                for one in compared
                if found[one.name] and (plan_id is not None or only is not None)
            }
    different = any(found.values())
    if json:
        show(as_json(before, after, found, rows))
    else:
        print_comparison(before, after, found, rows)
    if different:
        raise typer.Exit(DIFFERENT)


@contextmanager
def shown(text: str) -> Iterator[Past]:
    """The tables of a moment, as a person writes it; what is read for them is seen on a terminal."""
    from motet.projector.past import tables_at  # noqa: PLC0415

    moment, where, began = moment_of(text, datetime.now(UTC)), settings(), time.monotonic()
    with ExitStack() as stack:
        with watched(f"up to {text}") as report:
            past = stack.enter_context(tables_at(where, moment, report))
        if past.records:
            seconds = time.monotonic() - began
            errors.print(f"as of {past.cut.at:%F %T.%f} UTC: {past.records:,} records read in {seconds:.1f} s")
        yield past


def moment_of(text: str, now: datetime) -> datetime | Place:
    """A moment as a person writes it. Raises ConfigurationError for what is none."""
    place = Place.read(text)
    if place is not None:
        return place
    if text == "now":
        return now
    try:
        moment = letters.since(text, now)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{text!r} is no moment: write 2026-11-25T04:10, 90s, 15m, 2h or 3d, now, or the place of a record such as motet.events:2:1734"
        ) from error
    if moment is None or moment > now:
        raise ConfigurationError(f"{text} lies in the future: it is {now:%FT%T} UTC")
    return moment


def as_json(
    before: Past, after: Past, found: dict[str, dict[str, int]], rows: dict[str, list[Change]]
) -> dict[str, Any]:
    """A comparison for programs."""
    return {
        "then": before.cut.at.isoformat(),
        "later": after.cut.at.isoformat(),
        "equal": not any(found.values()),
        "tables": found,
        "rows": {
            name: [{"kind": one.kind, "key": one.key, "then": one.before, "later": one.after} for one in changed]
            for name, changed in rows.items()
        },
    }


def print_comparison(
    before: Past, after: Past, found: dict[str, dict[str, int]], rows: dict[str, list[Change]]
) -> None:
    """A comparison for people."""
    console.print(f"{before.cut.at:%F %T.%f} UTC and {after.cut.at:%F %T.%f} UTC", highlight=False)
    if not any(found.values()):
        console.print("[green]nothing differs[/]")
        return
    kinds = ("NEW", "GONE", "CHANGED")
    table(
        ["table", *(kind.lower() for kind in kinds)],
        [[name, *(str(some.get(kind, 0)) for kind in kinds)] for name, some in found.items() if some],
    )
    for name, changed in rows.items():
        for one in changed:
            for line in told(name, one):
                console.print(escape(line), highlight=False, soft_wrap=True)


def told(name: str, change: Change) -> Iterator[str]:
    """A row that differs: what it says on one line if only one side has it, else a line for each column that changed."""
    head = f"{name} {' '.join(change.key)} {change.kind.lower()}"
    if change.before is not None and change.after is not None:
        yield head
        for column, now in change.after.items():
            yield f"  {column}: {shortened(change.before[column])} → {shortened(now)}"
        return
    row = change.after or change.before or {}
    yield f"{head}: " + ", ".join(f"{column} {shortened(value)}" for column, value in row.items() if value is not None)


def shortened(value: Any) -> str:
    """A value on a line."""
    text = "-" if value is None else str(value)
    return text if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]}…"
