"""`motet audit`: replays the topics and says what is wrong with them, to people, to programs and in CI."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from motet.chassis.codec import Codec
from motet.chassis.errors import ConfigurationError
from motet.cli.checkpoints import From, refuse_other_cluster, signed
from motet.cli.connection import settings
from motet.cli.output import JsonOption, console, show, table, watched
from motet.proofs.checkpoint import written_time

if TYPE_CHECKING:
    from motet.audit.finding import Finding
    from motet.audit.reading import Audit
    from motet.chassis.log_reader import Log

VIOLATED: Final = 1
# Findings that people are shown; `--json` has more.
SHOWN: Final = 10


def audit(
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write a page with a picture of each finding.")
    ] = None,
    checkpoint: Annotated[
        int | None,
        typer.Option(
            "--from-checkpoint", help="Read on from a checkpoint of this number instead; 0 for the newest one."
        ),
    ] = None,
    kept: From = None,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="The public keys that you trust, for --from-checkpoint.")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option("--archive", help="Reads the files of this archive instead: no Kafka, no registry.")
    ] = None,
    ledgers: Annotated[
        bool,
        typer.Option(
            "--ledgers", help="Also compares the effects with the ledgers of tool services, tables in PostgreSQL."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Reads every topic from its first record and verifies it: schemas, lanes, digests, causes, ends, effects, approvals, tokens, tenants.

    It only reads, and asks no service. The exit code is 0 if nothing is wrong, 1 if something is, 2 if the log could not be read.
    """
    from motet.audit import reading  # noqa: PLC0415
    from motet.audit.ledger_tables import LedgerTables  # noqa: PLC0415
    from motet.audit.picture import page  # noqa: PLC0415

    if archive is not None and checkpoint is not None:
        raise ConfigurationError(
            "--archive reads an archive from its beginning, and --from-checkpoint does not: give one of them"
        )
    begin = None if checkpoint is None else signed(checkpoint, kept, public_key, settings())
    if ledgers and archive is not None:
        raise ConfigurationError(
            "--archive ends somewhere in the past, and ledgers are of now: give --ledgers without it"
        )
    if ledgers and checkpoint is not None:
        raise ConfigurationError(
            "--ledgers compares whole ledgers, and --from-checkpoint reads a part of the log: give one"
        )
    tables = LedgerTables(settings().postgres_url) if ledgers else None
    starts = {} if begin is None else {place: head.next_offset for place, head in begin.by_place().items()}
    with ExitStack() as stack:
        log, codec = kept_log(archive) if archive is not None else live_log(stack)
        if begin is not None:
            refuse_other_cluster(begin, log)
        with watched("records", quiet=json) as report:
            found = reading.audit(log, codec, report, starts, tables)
        if begin is not None:
            found.left_out.append(
                f"what stood before checkpoint {begin.number} of {written_time(begin.time_ms)}, and plans that began before it: "
                "`motet checkpoint verify` says whether it is what was signed"
            )
        if html is not None:
            html.write_text(page(found, log, codec))
    if json:
        show(found.as_json())
    else:
        tell(found)
    if found.violations:
        raise typer.Exit(VIOLATED)


def live_log(stack: ExitStack) -> tuple[Log, Codec]:
    """Kafka, and an archive before it where one is set."""
    from motet.archive import opened, schemas_of  # noqa: PLC0415
    from motet.chassis.registry import Registry  # noqa: PLC0415

    where = settings()
    registry = stack.enter_context(closing(Registry(where.schema_registry_url)))
    return stack.enter_context(closing(opened(where))), Codec(schemas_of(where, registry))


def kept_log(directory: Path) -> tuple[Log, Codec]:
    """The files of an archive, and nothing else."""
    from motet.archive import Archive  # noqa: PLC0415

    found = Archive(directory)
    return found, Codec(found)


def tell(found: Audit) -> None:
    """For people."""
    rows = [
        [
            one.name,
            f"{one.checked:,}",
            f"[red]{one.violations:,}[/]" if one.violations else "[green]0[/]",
            escape(" ".join(one.fact.split())),
        ]
        for one in found.rules.values()
    ]
    table(["rule", "checked", "violations", "what holds"], rows)
    for one in found.findings[:SHOWN]:
        tell_finding(one)
    first = found.first
    console.print()
    if first is None:
        verdict = "[green]nothing is wrong[/]"
    else:
        verdict = f"[red]{found.violations:,} violations[/]; the first bad record is {first.where}"
    rate = f"{found.events:,} events in {found.seconds:.1f} s, {found.events_per_second:,} a second"
    console.print(f"{rate}; {verdict}", soft_wrap=True)
    console.print(f"open: {found.open_plans:,} plans, {found.open_commands:,} commands", soft_wrap=True)
    for sentence in found.left_out:
        console.print(f"not checked: {sentence}", markup=False, soft_wrap=True)


def tell_finding(one: Finding) -> None:
    """One record that breaks a rule."""
    console.print(f"\n[bold red]{one.rule}[/] [bold]{escape(one.where)}[/]", soft_wrap=True)
    console.print(f"  {one.said}", markup=False, soft_wrap=True)
    console.print(f"  {one.advice}", markup=False, soft_wrap=True)
