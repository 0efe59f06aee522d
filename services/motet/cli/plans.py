"""`motet submit`, `plan`, `events`, `sql` and `rebuild`: plans from the outside."""

from __future__ import annotations

import json as jsonlib
import re
import sys
import time
from collections import deque
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from motet.chassis.errors import ConfigurationError
from motet.cli.connection import reader, settings
from motet.cli.output import JsonOption, colored, console, errors, rows_of, show, table, watched
from motet.client import Client, Event, Mode, Outcome, read_plan_file
from motet.client.summary import summary

SHORTEST_PREFIX = 6
PLAN_ID = re.compile("[0-9a-f]*(-[ch]?)?")
FAILED = 1


def submit(
    file: Annotated[Path, typer.Argument(help="A plan as YAML or JSON; see examples/plan.yaml")],
    wait: Annotated[bool, typer.Option("--wait", help="Waits for the plan's end and shows its results.")] = False,
    mode: Annotated[
        Mode | None, typer.Option("--mode", help="Who coordinates it, whatever the file says.", case_sensitive=False)
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="The idempotency key; the same key and plan get the first answer.")
    ] = None,
    caused_by: Annotated[
        str | None, typer.Option("--caused-by", help="The id of the event that it answers to, for `motet lineage`.")
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait at most.")] = 60.0,
    only_id: Annotated[bool, typer.Option("--id", help="Prints the plan's id and nothing else, for scripts.")] = False,
    json: JsonOption = False,
) -> None:
    """Submits a plan. With --wait the exit code is 0 only if the plan succeeded."""
    plan = read_plan_file(file, key, mode, caused_by)
    where = settings()
    with Client(where.kafka_bootstrap, where.schema_registry_url, subject_keys_url=where.keys_url) as client:
        submitted = client.submit_command(plan)
        client.flush()
        if not wait:
            if only_id:
                typer.echo(submitted.plan_id)
            elif json:
                show({"plan_id": submitted.plan_id, "idempotency_key": submitted.idempotency_key})
            else:
                console.print(f"submitted plan {submitted.plan_id} (idempotency key {submitted.idempotency_key})")
                console.print(f"  motet plan {submitted.plan_id}")
            return
        if json or not console.is_terminal:
            outcome = submitted.wait(timeout)
        else:
            with Progress(
                SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), transient=True
            ) as line:
                line.add_task(f"plan {submitted.plan_id}: {len(plan.calls)} calls")
                outcome = submitted.wait(timeout)
    if json:
        show(outcome.as_json())
    else:
        print_outcome(outcome)
    if outcome.status != "SUCCEEDED":
        raise typer.Exit(FAILED)


def print_outcome(outcome: Outcome) -> None:
    """A plan's end for people."""
    again = " (the answer to the first submission)" if outcome.repeated else ""
    console.print(f"plan {outcome.plan_id} {colored(outcome.status)}{again}")
    if outcome.reasons:
        table(
            ["reason", "call", "message"],
            [[one.code, one.call_id or "", escape(one.message)] for one in outcome.reasons],
        )
        return
    rows = []
    for one in outcome.results:
        told = one.result if one.error_code is None else f"{one.error_code}: {one.error_message}"
        rows.append([one.call_id, one.tool, colored(one.status), escape(told or f"in event {one.result_event_id}")])
    table(["call", "tool", "outcome", "result"], rows)


def plan(
    plan_id: Annotated[str, typer.Argument(help=f"A plan's id, or its first {SHORTEST_PREFIX} digits or more")],
    json: JsonOption = False,
) -> None:
    """Shows a plan and its calls, from the projection."""
    with reader() as connection:
        head = plan_named(connection, plan_id)
        calls = rows_of(connection.execute("SELECT * FROM calls WHERE plan_id = %s ORDER BY index", (head["plan_id"],)))
    if json:
        show({**head, "calls": calls})
        return
    console.print(f"plan {head['plan_id']} {colored(head['status'])}")
    for name in (
        "tenant",
        "domain",
        "agent",
        "idempotency_key",
        "isolation",
        "mode",
        "admitted_at",
        "deadline_at",
        "stopped_by",
        "stop_reason",
        "ended_at",
        "remaining",
        "repeats",
        "history_sha256",
    ):
        if head[name] is not None:
            console.print(f"  {name:16} {escape(str(head[name]))}", highlight=False)
    if head["reasons"]:
        table(
            ["reason", "call", "message"],
            [[one["code"], one["call_id"] or "", escape(one["message"])] for one in head["reasons"]],
        )
    if calls:
        console.print()
        table(
            ["call", "tool", "after", "status", "attempt", "arguments", "result"],
            [
                [
                    one["call_id"],
                    f"{one['tool']} v{one['contract_version']}",
                    ", ".join(str(before) for before in one["after"] or ()),
                    colored(one["status"]),
                    str(one["attempt"] or ""),
                    escape(jsonlib.dumps(one["arguments"], ensure_ascii=False)),
                    escape(told(one)),
                ]
                for one in calls
            ],
        )


def plan_named(connection: psycopg.Connection[Any], plan_id: str) -> dict[str, Any]:
    """The row of a plan, by its id or what that begins with. Raises ConfigurationError for none, and for several."""
    if len(plan_id) < SHORTEST_PREFIX or not PLAN_ID.fullmatch(plan_id):
        raise ConfigurationError(
            f"{plan_id!r} is no plan id: 32 hex digits, or 30 and -c or -h, or the first {SHORTEST_PREFIX} of them or more"
        )
    query = "SELECT * FROM plans WHERE plan_id LIKE %s ORDER BY plan_id LIMIT 3"
    found = rows_of(connection.execute(query, (f"{plan_id}%",)))
    if not found:
        raise ConfigurationError(
            f"there is no plan {plan_id}: perhaps the projector is behind (`motet status`), or the command was no plan (`motet sql "
            '"SELECT code, reason FROM dead_letters"`)'
        )
    if len(found) > 1:
        raise ConfigurationError(f"several plans begin with {plan_id}: {', '.join(one['plan_id'] for one in found)}")
    return found[0]


def told(call: dict[str, Any]) -> str:
    """A call's result or error."""
    if call["error_code"] is not None:
        return f"{call['error_code']}: {call['error_message']}"
    return "" if call["result_sha256"] is None else jsonlib.dumps(call["result"], ensure_ascii=False)


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="From now on, until Ctrl-C.")] = False,
    last: Annotated[
        int, typer.Option("--last", "-n", min=1, help="Without --follow: how many of the last events.")
    ] = 50,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only this domain's.")] = None,
    plan_id: Annotated[str | None, typer.Option("--plan", help="Only this plan's.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Shows the committed events as they are in Kafka, decoded."""
    where = settings()
    with Client(where.kafka_bootstrap, where.schema_registry_url) as client:
        found = client.events(tenant=tenant, domain=domain, plan_id=plan_id, follow=follow)
        if follow:
            errors.print(f"events from now on, of {where.kafka_bootstrap}; Ctrl-C ends it")
            for one in found:
                print_event(one, json)
        else:
            for one in sorted(deque(found, maxlen=last), key=lambda event: event.record.meta.hlc):
                print_event(one, json)


def print_event(one: Event, json: bool) -> None:
    """One event on one line."""
    if json:
        record = {
            "topic": one.topic,
            "partition": one.partition,
            "offset": one.offset,
            "type": one.type,
            "decided_by": dict(one.decided_by),
            **one.record.to_avro(),
        }
        typer.echo(jsonlib.dumps(record, ensure_ascii=False, default=list))
        return
    clock = time.strftime("%H:%M:%S", time.localtime(one.timestamp_ms / 1000)) + f".{one.timestamp_ms % 1000:03}"
    meta = one.record.meta
    kind = one.type.rpartition(".")[2]
    line = f"{clock}  {one.partition}:{one.offset:<7} {kind:15} {one.record.plan_id[:8]}  {meta.tenant}/{meta.domain}  {summary(one.record)}"
    console.print(line, markup=False, soft_wrap=True)


def sql(
    query: Annotated[str | None, typer.Argument(help="A query; without one it is read from standard input.")] = None,
    tenant: Annotated[str | None, typer.Option(help="As this tenant sees it: row security is on.")] = None,
    json: JsonOption = False,
) -> None:
    """Runs a query on the projections, read-only. Its tables: plans, calls, effects, resources, lineage, dead_letters and more."""
    text = query if query is not None else sys.stdin.read()
    with reader(tenant) as connection:
        try:
            cursor = connection.execute(text.encode())
            if cursor.description is None:
                raise ConfigurationError("this statement returns no rows; projections are read, not written")
            names = [column.name for column in cursor.description]
            rows = cursor.fetchall()
        except psycopg.Error as error:
            raise ConfigurationError(" ".join(str(error).split())) from error
    if json:
        show([dict(zip(names, row, strict=True)) for row in rows])
        return
    table(names, [[escape(cell(value)) for value in row] for row in rows])
    console.print(f"({len(rows)} row{'' if len(rows) == 1 else 's'})")


def cell(value: Any) -> str:
    """A column's value for people: JSON as JSON, nothing where there is none."""
    if isinstance(value, (dict, list)):
        return jsonlib.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return "" if value is None else str(value)


def rebuild(
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Events folded together at most; the tables are the same.")
    ] = 5_000,
    json: JsonOption = False,
) -> None:
    """Builds the projections again from the first event, compares them with the live ones, and swaps.

    The exit code is 1 if any row differed; the rebuilt tables are live in any case.
    """
    from motet.projector.rebuild import rebuild as run  # noqa: PLC0415

    where = settings()
    with watched("events", quiet=json) as report:
        rebuilt = run(where, report, batch)
    if json:
        show(
            {
                "events": rebuilt.events,
                "seconds": round(rebuilt.seconds, 3),
                "events_per_second": round(rebuilt.events_per_second),
                "digest": rebuilt.digest,
                "equal": rebuilt.equal,
                "tables": {
                    name: {
                        "rows_live": one.rows_live,
                        "rows_rebuilt": one.rows_rebuilt,
                        "only_live": one.only_live,
                        "only_rebuilt": one.only_rebuilt,
                        "digest": one.digest,
                        "examples": [{"only": side, "row": row} for side, row in one.examples],
                    }
                    for name, one in rebuilt.tables.items()
                },
            }
        )
    else:
        rows = [
            [name, str(one.rows_live), str(one.rows_rebuilt), str(one.only_live), str(one.only_rebuilt)]
            for name, one in rebuilt.tables.items()
        ]
        table(["table", "rows live", "rows rebuilt", "only live", "only rebuilt"], rows)
        for name, one in rebuilt.tables.items():
            for side, row in one.examples:
                console.print(f"{name}, only {side}: {row}", markup=False, soft_wrap=True)
        verdict = (
            "[green]equal, row by row[/]" if rebuilt.equal else "[red]different[/]: the rebuilt tables are live now"
        )
        console.print(f"\n{rebuilt.events} records in {rebuilt.seconds:.1f} s; {verdict}\ndigest {rebuilt.digest}")
    if not rebuilt.equal:
        raise typer.Exit(FAILED)
