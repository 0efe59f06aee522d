"""`motet record`, `motet replay` and `motet recover`: a history in a file, whether today's code decides it as it was decided, rows from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from motet.chassis.errors import ConfigurationError
from motet.cli.connection import settings as find_settings
from motet.cli.hosted import service_named
from motet.cli.output import JsonOption, console, show, table

if TYPE_CHECKING:
    from motet.chassis.service import Service
    from motet.chassis.settings import Settings
    from motet.conformance.differing import Difference
    from motet.conformance.rerun import Compared

DIFFERENT: Final = 1
# What decides. A projection decides nothing: `motet rebuild` compares it.
DECIDING: Final = ("coordinator", "agents", "leases")
TOOLS: Final = "tools-"
# What the name of a module has, or that of a file, and no service's.
MODULE: Final = (".", "/", ":", "_")
RECOVERED: Final = (*DECIDING, "projector", "checkpoints", "tools-TOOLSET")


def record(file: Annotated[Path, typer.Argument(help="Where to write: an Avro object container.")]) -> None:
    """Writes everything that Motet's topics hold into a file, which `motet replay --history` takes in place of Kafka."""
    from motet.conformance import archive, reading  # noqa: PLC0415  a process loads what it does

    settings = find_settings()
    history = reading.read(settings, DECIDING)
    size = archive.write(history, file)
    typer.echo(f"{len(history.messages)} messages, {size:,} bytes: {file}")


def replay(
    service: Annotated[
        str, typer.Argument(help="coordinator, agents, leases, or a toolset or an agent: package.module or file.py")
    ],
    shard: Annotated[int | None, typer.Option("--shard", min=0, help="This shard only.")] = None,
    history: Annotated[
        Path | None, typer.Option("--history", help="A file that `motet record` wrote, in place of Kafka.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Feeds a service what it took once more, and compares what it would publish with what it did publish, byte for byte.

    Its rows go to a schema of their own, which is dropped at the end; so do a toolset's. Of its tools the transactional ones run again, on empty
    tables; what others did outside happened once, and is taken from the log. The exit code is 1 if anything differs.
    """
    from motet.conformance import archive, reading, rerun  # noqa: PLC0415

    settings, recorded = find_settings(), None
    if history is not None:
        recorded = archive.read(history)
        settings = recorded.settings_with(settings)
    with declared_again(service, settings) as declared:
        found = recorded or reading.read(settings, [declared.name], declared)
        if shard is not None and shard >= found.partitions:
            raise ConfigurationError(f"shard {shard} is none: there are 0 to {found.partitions - 1}")
        with rerun.run_again(settings, declared, found) as again:
            compared = [again.shard(number) for number in range(found.partitions) if shard in (None, number)]
    tell(compared, json=json)
    if not all(one.equal for one in compared):
        raise typer.Exit(DIFFERENT)


@contextmanager
def declared_again(service: str, settings: Settings) -> Iterator[Service]:
    """A service to run again: one of Motet's, that of an agent's module, or that of a toolset's, whose tables are there until the block ends."""
    if service in DECIDING or not any(mark in service for mark in MODULE):
        yield service_named(service, settings, DECIDING)
        return
    agent = agent_of(service, settings)
    if agent is not None:
        yield agent
        return
    from motet.conformance.rerun import drop_schema  # noqa: PLC0415
    from motet.tools import again, load  # noqa: PLC0415

    toolset = load(service)
    own = again.schema_again(toolset.name)
    drop_schema(settings, own)
    try:
        yield again.service(toolset, settings)
    finally:
        drop_schema(settings, own)


def recover(
    service: Annotated[
        str,
        typer.Argument(help="coordinator, agents, leases, projector, checkpoints, tools-TOOLSET, or an agent's module"),
    ],
    json: JsonOption = False,
) -> None:
    """Makes a service's rows from its topics, after its database was lost or restored from a backup. Stop the service first.

    What is there of its schema is kept beside it as SCHEMA_before.
    """
    settings = find_settings()
    told: list[dict[str, Any]]
    if service == "projector":
        from motet.projector import recovery as projecting  # noqa: PLC0415

        rebuilt = projecting.recover(settings)
        told = [{"service": service, "records": rebuilt.events, "tables": len(rebuilt.tables)}]
    elif service == "checkpoints":
        from motet.checkpoints import recovery as signing  # noqa: PLC0415

        told = [{"service": service, "checkpoints": signing.recover(settings)}]
    elif service.startswith(TOOLS):
        from motet.tools import recovery as hosting  # noqa: PLC0415

        shards = hosting.recover(settings, service.removeprefix(TOOLS))
        told = [{"service": service, **asdict(one)} for one in shards]
    else:
        from motet.conformance import recovery  # noqa: PLC0415

        declared = agent_of(service, settings) or service_named(service, settings, RECOVERED)
        service, compared = declared.name, recovery.recover(settings, declared)
        names = ("shard", "records", "unpublished")
        told = [{"service": service, **{name: getattr(one, name) for name in names}} for one in compared]
    if json:
        show(told)
        return
    table(list(told[0]), [[str(value) for value in one.values()] for one in told])
    console.print(f"\n{service} is recovered: start it")


def agent_of(service: str, settings: Settings) -> Service | None:
    """The service of an agent's module; None for what has no agent, or is no module."""
    if not any(mark in service for mark in MODULE):
        return None
    from motet import agency  # noqa: PLC0415
    from motet.chassis.loading import has_one  # noqa: PLC0415

    return agency.service(agency.load(service), settings) if has_one(service, agency.Agent) else None


def tell(compared: list[Compared], *, json: bool) -> None:
    """Shows what came of it."""
    if json:
        show(
            {
                "equal": all(one.equal for one in compared),
                "records": sum(one.records for one in compared),
                "shards": [
                    {
                        **{name: getattr(one, name) for name in ("shard", "records", "unpublished", "later", "equal")},
                        "difference": None if one.difference is None else one.difference.as_json(),
                    }
                    for one in compared
                ],
            }
        )
        return
    rows = [
        [
            *(str(one.shard), str(one.records), str(one.unpublished)),
            "[green]equal[/]" if one.difference is None else "[red]differs[/]",
        ]
        for one in compared
    ]
    table(["shard", "records compared", "not published yet", "verdict"], rows)
    for one in compared:
        if one.difference is not None:
            console.print()
            tell_difference(one.shard, one.difference)


def tell_difference(shard: int, parted: Difference) -> None:
    """Both sides of a record."""
    console.print(f"shard {shard}: {parted}", markup=False, soft_wrap=True)
    rows = [[one.path, escape(str(one.published)), escape(str(one.today))] for one in parted.fields]
    if rows:
        table(["field", "published", "today"], rows)
