"""`motet dead-letters`: records that could not be handled. Find them, look at one, hand them over once more or give them up."""

from __future__ import annotations

import base64
import getpass
import json as jsonlib
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from motet.chassis.codec import Codec
from motet.chassis.errors import ConfigurationError
from motet.chassis.settings import Settings
from motet.cli import letters
from motet.cli.connection import settings
from motet.cli.output import JsonOption, colored, console, show, table
from motet.client import Client, Repaired
from motet.client.repairs import DOMAIN, OPERATOR, repair_all, waiting_behind
from motet.records import RepairAction, RepairDeadLetter

FAILED: Final = 1
SHOWN: Final = 50
AT_ONCE: Final = 100
AT_ONCE_LIMIT: Final = 1_000
SHORT: Final = 12
REASON_WIDTH: Final = 100

app = typer.Typer(no_args_is_help=True, help="Records that could not be handled: list, show, redrive, discard.")

Service = Annotated[str | None, typer.Option(help="Only what this service could not handle, such as tools-bank.")]
Topic = Annotated[str | None, typer.Option(help="Only records of this topic.")]
Code = Annotated[str | None, typer.Option(help="Only those with this code, such as HANDLING_FAILED.")]
Tenant = Annotated[str | None, typer.Option(help="As this tenant: its own letters only, and the orders are its own.")]
Key = Annotated[str | None, typer.Option(help="Only records with this key, tenant/domain.")]
Since = Annotated[str | None, typer.Option(help="Only records since then: 15m, 2h, 3d, or a time in ISO 8601.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, or their first 4 digits or more.")]
Everything = Annotated[bool, typer.Option("--all", help="Every dead letter that is there.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Shows what would be done, and changes nothing.")]
Limit = Annotated[
    int,
    typer.Option(
        min=1, max=AT_ONCE_LIMIT, help="How many at once at most, the oldest first; it says how many are left."
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it becomes part of the event.")]
Agent = Annotated[str | None, typer.Option("--as", help="Who decides; your user name when absent.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for all outcomes at most.")]


@app.command("list")
def list_letters(
    service: Service = None,
    topic: Topic = None,
    code: Code = None,
    tenant: Tenant = None,
    state: Annotated[
        list[str] | None,
        typer.Option(help="OPEN, FAILED_AGAIN, REDRIVEN or DISCARDED; may be repeated. Without it the first two."),
    ] = None,
    since: Since = None,
    key: Key = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many at most, the newest first.")] = SHOWN,
    json: JsonOption = False,
) -> None:
    """Dead letters that wait for somebody, the newest first."""
    wanted = letters.Filter(service, topic, code, key, letters.since(since, now()), letters.states(state))
    rows, more = letters.find(wanted, tenant, last, oldest_first=False)
    if json:
        show([letters.as_json(row) for row in rows])
        return
    if not rows:
        console.print("no dead letters" if not state else f"no dead letters in state {', '.join(wanted.states)}")
        return
    table(
        ["id", "state", "since", "service", "record", "key", "code", "reason"],
        [
            [
                row["event_id"][:SHORT],
                colored(row["state"]),
                f"{row['appended_at']:%F %T}",
                row["service"],
                letters.place(row),
                escape(row["key_text"] or ""),
                row["code"],
                escape(shortened(row["reason"])),
            ]
            for row in rows
        ],
    )
    if more:
        console.print(f"and {more} more (--last {last + more} shows all)")
    console.print(
        "motet dead-letters show ID says more of one; redrive and discard take ids or the same filters", soft_wrap=True
    )


@app.command("show")
def show_letter(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Its id, or its first 4 digits or more.")],
    tenant: Tenant = None,
    json: JsonOption = False,
) -> None:
    """Everything about one: where it was read, what it is, why it could not be handled, what to do."""
    row, where = letters.named(identifier, tenant), settings()
    from motet.chassis.registry import Registry  # noqa: PLC0415

    registry = Registry(where.schema_registry_url)
    kind, content = letters.content(Codec(registry), row["value"])
    registry.close()
    waiting = waits(where, row)
    if json:
        show({**letters.as_json(row), "record_type": kind, "content": content, "waiting_behind": waiting})
        return
    console.print(f"dead letter {row['event_id']} {colored(row['state'])}")
    lines = {
        "read at": f"{letters.place(row)}, appended {row['appended_at']:%F %T %Z}",
        "by": f"{row['service']}, shard {row['partition']}",
        "key": row["key_text"] if row["key"] is not None else "none",
        "tenant": row["tenant"] or "none that its key names",
        "why": f"{row['code']}: {row['reason']}",
        "waiting": waiting or "nothing: other records of its key went on",
    }
    if row["repaired_at"] is not None:
        lines["last tried"] = (
            f"{row['repaired_at']:%F %T} by {row['repaired_by']}: {row['repair_reason'] or 'no reason given'}"
        )
        lines["then"] = row["failure"] or f"{row['released']} records that had waited behind it were handled"
    lines["value"] = kind
    for name, text in lines.items():
        console.print(f"  {name:11} {escape(' '.join(str(text).split()))}", highlight=False, soft_wrap=True)
    if content is not None:
        body = (
            content if isinstance(content, str) else jsonlib.dumps(content, indent=2, ensure_ascii=False, default=str)
        )
        console.print(
            "\n".join(f"    {line}" for line in body.splitlines()), highlight=False, markup=False, soft_wrap=True
        )
    for header in row["headers"]:
        told = "null" if header["value"] is None else letters.excerpt(base64.b64decode(header["value"]))
        console.print(f"  header      {escape(header['name'])} = {escape(told)}", highlight=False, soft_wrap=True)
    for line in advice(row):
        console.print(line, highlight=False, soft_wrap=True)


def waits(where: Settings, row: dict[str, Any]) -> str:
    """What waits behind a letter, as far as Kafka tells; empty for nothing."""
    if not row["parked"] or row["key"] is None or row["state"] not in letters.STILL_THERE:
        return ""
    place = (row["topic"], row["partition"], row["offset"])
    count, all_of_it = waiting_behind(where.kafka_bootstrap, place, row["key"])
    return f"its key is parked; {count}{'' if all_of_it else ' or more'} later records of it on {row['topic']} wait"


def advice(row: dict[str, Any]) -> list[str]:
    """What to do next."""
    if row["state"] not in letters.STILL_THERE:
        return ["  nothing is left to do"]
    one = row["event_id"][:SHORT]
    redrive = f"  motet dead-letters redrive {one}   once its cause is mended: hands it over as if it had just come"
    discard = f"  motet dead-letters discard {one}   gives it up; what waits behind it goes on"
    return [discard] if row["code"] == "NOT_ON_A_LANE" else [redrive, discard]


@app.command()
def redrive(
    ids: Ids = None,
    service: Service = None,
    topic: Topic = None,
    code: Code = None,
    tenant: Tenant = None,
    since: Since = None,
    key: Key = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    limit: Limit = AT_ONCE,
    reason: Reason = "",
    agent: Agent = None,
    timeout: Timeout = 30.0,
    json: JsonOption = False,
) -> None:
    """Hands dead letters to their services once more, and then what waited behind them. The exit code is 1 if any failed again."""
    wanted = letters.Filter(service, topic, code, key, letters.since(since, now()))
    rows, more = chosen(ids, wanted, tenant, limit, everything=everything)
    repair("REDRIVE", rows, more, tenant, reason, agent, timeout, dry_run=dry_run, json=json)


@app.command()
def discard(
    ids: Ids = None,
    service: Service = None,
    topic: Topic = None,
    code: Code = None,
    tenant: Tenant = None,
    since: Since = None,
    key: Key = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    limit: Limit = AT_ONCE,
    reason: Reason = "",
    agent: Agent = None,
    timeout: Timeout = 30.0,
    json: JsonOption = False,
) -> None:
    """Gives dead letters up for good; what waited behind them is handled. Kafka and SQL keep them for people to read."""
    wanted = letters.Filter(service, topic, code, key, letters.since(since, now()))
    rows, more = chosen(ids, wanted, tenant, limit, everything=everything)
    repair("DISCARD", rows, more, tenant, reason, agent, timeout, dry_run=dry_run, json=json)


def chosen(
    ids: list[str] | None, wanted: letters.Filter, tenant: str | None, limit: int, *, everything: bool
) -> tuple[list[dict[str, Any]], int]:
    """The letters that a person means, and how many more. Raises ConfigurationError for none named, or two ways at once."""
    filtered = wanted.names_something or (tenant is not None and not ids)
    if sum((bool(ids), filtered, everything)) != 1:
        raise ConfigurationError(
            "say which: ids, or filters (`--service`, `--code` and others), or `--all`; one of the three"
        )
    if not ids:
        return letters.find(wanted, tenant, limit, oldest_first=True)
    if len(ids) > limit:
        raise ConfigurationError(f"{len(ids)} ids are more than --limit {limit}")
    found = {row["event_id"]: row for row in (letters.named(one, tenant) for one in ids)}
    return list(found.values()), 0


def repair(
    action: RepairAction,
    rows: list[dict[str, Any]],
    more: int,
    tenant: str | None,
    reason: str,
    agent: str | None,
    timeout: float,
    *,
    dry_run: bool,
    json: bool,
) -> None:
    """Does it, or says what would be done, and shows each outcome."""
    where, who = settings(), agent or getpass.getuser()
    if dry_run:
        foretell(where, action, rows, more, json=json)
        return
    orders = [order(row, action, tenant, who, reason) for row in rows]
    with Client(where.kafka_bootstrap, where.schema_registry_url, agent=who) as client:
        ends = repair_all(client, orders, timeout) if orders else []
    if json:
        named = ("dead_letter_id", "outcome", "released", "failure")
        show(
            {
                "action": action,
                "left": more,
                "dead_letters": [{name: getattr(end, name) for name in named} for end in ends],
            }
        )
    elif not ends:
        console.print("no dead letter matches")
    else:
        table(
            ["id", "outcome", "service", "record", "key", "released", "why"],
            [line(row, end) for row, end in zip(rows, ends, strict=True)],
        )
        done = sum(end.done for end in ends)
        left = f"; {more} more match: run it again" if more else ""
        console.print(
            f"{done} of {len(ends)} {'redriven' if action == 'REDRIVE' else 'discarded'}{left}", soft_wrap=True
        )
    if not all(end.done for end in ends):
        raise typer.Exit(FAILED)


def order(row: dict[str, Any], action: RepairAction, tenant: str | None, who: str, reason: str) -> RepairDeadLetter:
    """The command. It speaks as the letter's own tenant, where its key names one, and as the operator where not."""
    head = (uuid.uuid4().hex, tenant or row["tenant"] or OPERATOR, DOMAIN, who)
    return RepairDeadLetter(*head, row["event_id"], row["service"], row["partition"], action, reason)


def line(row: dict[str, Any], end: Repaired) -> list[str]:
    """One outcome."""
    why = end.failure or ("its service has no such letter (any more)" if end.outcome == "NOT_FOUND" else "")
    return [
        row["event_id"][:SHORT],
        colored(end.outcome),
        row["service"],
        letters.place(row),
        escape(row["key_text"] or ""),
        str(end.released),
        escape(why),
    ]


def foretell(where: Settings, action: RepairAction, rows: list[dict[str, Any]], more: int, *, json: bool) -> None:
    """What would be done."""
    from motet.chassis.registry import Registry  # noqa: PLC0415

    registry = Registry(where.schema_registry_url)
    codec = Codec(registry)
    told = [letters.expected(codec, row) if action == "REDRIVE" else "gives it up" for row in rows]
    registry.close()
    if json:
        names = ("event_id", "service", "partition", "topic", "offset", "key_text", "code", "state")
        plan = [{name: row[name] for name in names} | {"expected": text} for row, text in zip(rows, told, strict=True)]
        show({"action": action, "dry_run": True, "left": more, "dead_letters": plan})
        return
    if rows:
        table(
            ["id", "service", "record", "key", "code", "what"],
            [
                [
                    *(row["event_id"][:SHORT], row["service"], letters.place(row), escape(row["key_text"] or "")),
                    *(row["code"], escape(f"{text}{', then what waits behind it' if row['parked'] else ''}")),
                ]
                for row, text in zip(rows, told, strict=True)
            ],
        )
    left = f", and {more} more after them" if more else ""
    console.print(f"would {action.lower()} {len(rows)}{left}; nothing was changed (--dry-run)", soft_wrap=True)


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def shortened(text: str) -> str:
    """A reason for a table's line."""
    text = " ".join(text.split())
    return text if len(text) <= REASON_WIDTH else text[: REASON_WIDTH - 1] + "…"
