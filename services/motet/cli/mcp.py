"""`motet mcp`: Motet's tools for MCP clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motet.chassis.errors import ConfigurationError
from motet.cli.connection import settings
from motet.cli.output import errors

if TYPE_CHECKING:
    from mcp.server import Server

HOST = "127.0.0.1"


def mcp(
    tools: Annotated[list[str] | None, typer.Argument(help="Tools or toolsets; all of them without.")] = None,
    http: Annotated[
        int | None,
        typer.Option("--http", min=1, max=65_535, help="A port of 127.0.0.1 for streamable HTTP, in place of stdio."),
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose plans the calls are.")] = "default",
    domain: Annotated[str, typer.Option(help="The unit of order that they are in.")] = "default",
    timeout: Annotated[float, typer.Option(min=0.1, help="How long a call is waited for, in seconds.")] = 60.0,
) -> None:
    """Serves tools to an MCP client, over stdin and stdout or over HTTP. Each call is a plan: in line, once, in the log.

    In a client's configuration: command `motet`, arguments `mcp bank mail.send --tenant acme`.
    """
    try:
        from motet.adapters.mcp import server  # noqa: PLC0415  only where it is installed
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error.name} is not installed: pip install motet[mcp]") from error
    from motet.adapters import offered  # noqa: PLC0415
    from motet.client import Client  # noqa: PLC0415

    where = settings()
    with Client(
        where.kafka_bootstrap,
        where.schema_registry_url,
        tenant=tenant,
        domain=domain,
        agent="mcp",
        subject_keys_url=where.keys_url,
    ) as client:
        found = offered(client.contracts(), tools or ())
        if not found:
            raise ConfigurationError("no tool is there: is a tool service running? (`motet status`)")
        made = server(client, found, conversation=f"{tenant}/{domain}", timeout_seconds=timeout)
        if http is None:
            asyncio.run(over_stdio(made))
        else:
            errors.print(f"{len(found)} tools at http://{HOST}:{http}/mcp")
            over_http(made, http)


async def over_stdio(made: Server[Any]) -> None:
    """One client, by whom this process was started."""
    from mcp.server.stdio import stdio_server  # noqa: PLC0415

    async with stdio_server() as (reads, writes):
        await made.run(reads, writes, made.create_initialization_options())


def over_http(made: Server[Any], port: int) -> None:
    """Any number of clients, each request by itself."""
    import uvicorn  # noqa: PLC0415

    uvicorn.run(made.streamable_http_app(stateless_http=True), host=HOST, port=port, log_level="warning")
