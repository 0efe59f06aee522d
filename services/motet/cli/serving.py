"""`motet serve`, `motet tools` and `motet provision`: the commands that processes of a deployment run."""

from __future__ import annotations

from typing import Annotated

import typer

from motet.cli.connection import settings as find_settings
from motet.cli.hosted import service_named
from motet.cli.output import JsonOption, show, table

tools = typer.Typer(no_args_is_help=True, help="Tool services: run one, or see what a module offers.")


def serve(
    service: Annotated[str, typer.Argument(help="coordinator, agents, leases, projector or checkpoints")],
) -> None:
    """Runs one of Motet's own services in this process until SIGTERM or Ctrl-C."""
    from motet.chassis.loop import Loop  # noqa: PLC0415

    settings = find_settings()
    made = service_named(service, settings)
    with made.beside(settings):
        Loop(made, settings).run()


@tools.command("serve")
def serve_tools(
    module: Annotated[str, typer.Argument(help="package.module, package.module:toolset or file.py")],
) -> None:
    """Runs a toolset as a service of its own in this process until SIGTERM or Ctrl-C."""
    from motet.chassis.loop import Loop  # noqa: PLC0415
    from motet.tools import host, load  # noqa: PLC0415

    settings = find_settings()
    Loop(host.service(load(module), settings), settings).run()


@tools.command("list")
def list_tools(
    module: Annotated[str, typer.Argument(help="package.module, package.module:toolset or file.py")],
    json: JsonOption = False,
) -> None:
    """Shows the contracts that a module's tools would publish."""
    from motet.tools import load  # noqa: PLC0415

    contracts = [tool.contract_fields() for tool in load(module).tools]
    if json:
        show([{**one.fields(), "sha256": one.sha256} for one in contracts])
        return
    rows = [
        [
            one.name,
            str(one.version),
            one.effect.lower(),
            ", ".join(f"{claim.mode.lower()} {claim.template}" for claim in one.claims),
            one.description.partition("\n")[0],
        ]
        for one in contracts
    ]
    table(["tool", "version", "effect", "resources", "description"], rows)


def provision() -> None:
    """Creates the topics and registers the schemas that every installation has. Services do it for themselves as well."""
    from motet.chassis import provision as topics  # noqa: PLC0415
    from motet.chassis.registry import Registry  # noqa: PLC0415

    settings = find_settings()
    names = topics.fixed_topics()
    count = topics.ensure(settings.kafka_bootstrap, Registry(settings.schema_registry_url), names)
    typer.echo(f"{len(names)} topics with {count} partitions each, and their schemas, are there")
