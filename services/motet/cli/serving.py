"""`motet serve` and `motet provision`: commands that processes of a deployment run."""

from __future__ import annotations

from typing import Annotated

import typer

from motet.cli.connection import settings as find_settings
from motet.cli.hosted import service_named


def serve(
    service: Annotated[str, typer.Argument(help="coordinator, agents, leases, projector or checkpoints")],
) -> None:
    """Runs one of Motet's own services in this process until SIGTERM or Ctrl-C."""
    from motet.chassis.loop import Loop  # noqa: PLC0415

    settings = find_settings()
    made = service_named(service, settings)
    with made.beside(settings):
        Loop(made, settings).run()


def provision() -> None:
    """Creates the topics and registers the schemas that every installation has. Services do it for themselves as well."""
    from motet.chassis import provision as topics  # noqa: PLC0415
    from motet.chassis.registry import Registry  # noqa: PLC0415

    settings = find_settings()
    names = topics.fixed_topics()
    count = topics.ensure(settings.kafka_bootstrap, Registry(settings.schema_registry_url), names)
    typer.echo(f"{len(names)} topics with {count} partitions each, and their schemas, are there")
