"""`motet leases` and `motet leaders`: who may use what alone, and who does what only one process may do."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import psycopg
import typer
from psycopg import sql

from motet.chassis.errors import ConfigurationError
from motet.chassis.waiting import wait_until
from motet.cli.connection import settings
from motet.cli.looking import SHOWN, Last, Tenant, lines, query
from motet.cli.output import JsonOption, console, rows_of, show
from motet.client import Client
from motet.client.leases import Lease
from motet.client.leases.on_motet import MotetLeases

app = typer.Typer(no_args_is_help=True, help="Leases: resources that one holder has alone, for a bounded time.")

Of = Annotated[str, typer.Option("--tenant", help="Whose leases.")]
Scope = Annotated[str, typer.Option("--scope", help="The scope: leases have one order in it.")]
Holder = Annotated[str | None, typer.Option("--as", help="Who holds; your user name when absent.")]
Seconds = Annotated[float, typer.Option("--seconds", min=0.001, help="How long it is held from now on.")]
Token = Annotated[int, typer.Argument(help="Its token.")]
LeaseId = Annotated[str, typer.Argument(help="The lease.")]
Resources = Annotated[list[str], typer.Argument(help="Resources, such as account:42.")]


@contextmanager
def leases(tenant: str, scope: str, holder: str | None) -> Iterator[MotetLeases]:
    """The leases of a scope, for a holder."""
    found = settings()
    who = holder or getpass.getuser()
    with Client(found.kafka_bootstrap, found.schema_registry_url, tenant=tenant, domain=scope, agent=who) as client:
        yield client.leases


def tell(lease: Lease, json: bool) -> None:
    """A lease for people, or for programs."""
    if json:
        show({**{name: getattr(lease, name) for name in Lease.__slots__}, "resources": list(lease.resources)})
        return
    until = f"{time.strftime('%F %T', time.localtime(lease.expires_at))}"
    console.print(
        f"lease {lease.lease_id} token {lease.token} until {until}: {', '.join(lease.resources)}", markup=False
    )


@app.command("list")
def list_leases(
    waiting: Annotated[bool, typer.Option("--waiting", help="Those that wait, and for whom.")] = False,
    tenant: Tenant = None,
    last: Last = SHOWN,
    json: JsonOption = False,
) -> None:
    """Who holds which resource now, or who waits for one."""
    if waiting:
        names: tuple[str, ...] = (
            "tenant",
            "domain",
            "resource",
            "holder",
            "lease_id",
            "ahead",
            "held_by",
            "wait_until",
        )
        rows = query("SELECT * FROM lease_waits ORDER BY tenant, domain, resource, ahead LIMIT %s", (last,), tenant)
        lines(rows, names, json, "nobody waits")
        return
    names = ("tenant", "domain", "resource", "holder", "lease_id", "token", "expires_at", "waiting")
    rows = query("SELECT * FROM leases ORDER BY tenant, domain, resource LIMIT %s", (last,), tenant)
    lines(rows, names, json, "nobody holds anything")


@app.command("acquire")
def acquire(
    resources: Resources,
    seconds: Seconds = 30.0,
    wait: Annotated[float, typer.Option("--wait", min=0, help="How long to wait for others; 0 for not at all.")] = 0.0,
    tenant: Of = "default",
    scope: Scope = "default",
    holder: Holder = None,
    json: JsonOption = False,
) -> None:
    """Takes all the resources or none, in the order of the log."""
    with leases(tenant, scope, holder) as found:
        tell(found.acquire(resources, duration_seconds=seconds, wait_seconds=wait), json)


@app.command("renew")
def renew(
    lease_id: LeaseId,
    token: Token,
    seconds: Seconds = 30.0,
    tenant: Of = "default",
    scope: Scope = "default",
    holder: Holder = None,
    json: JsonOption = False,
) -> None:
    """Holds a lease longer; only its holder can, with its token."""
    with leases(tenant, scope, holder) as found:
        tell(found.renew(Lease(lease_id, (), found.who, token, 0.0), seconds), json)


@app.command("release")
def release(
    lease_id: LeaseId,
    token: Token,
    tenant: Of = "default",
    scope: Scope = "default",
    holder: Holder = None,
) -> None:
    """Gives a lease back; with token 0, stops waiting for it."""
    with leases(tenant, scope, holder) as found:
        found.release(Lease(lease_id, (), found.who, token, 0.0))
    console.print(f"lease {lease_id} is released", markup=False)


@app.command("wait")
def wait_for(
    resources: Resources,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait at most.")] = 60.0,
    tenant: Of = "default",
    scope: Scope = "default",
) -> None:
    """Waits until nobody holds any of the resources. Whoever wants one rather acquires it with --wait."""
    with leases(tenant, scope, None) as found:
        wait_until(
            lambda: not any(found.holder(name) for name in resources), timeout, f"nobody holds {', '.join(resources)}"
        )
    console.print("nobody holds them" if len(resources) > 1 else "nobody holds it")


def leaders(json: JsonOption = False) -> None:
    """Who leads each service's singleton jobs: the owner of the job's partition, whose epoch is the token."""
    url = settings().postgres_url
    try:
        with psycopg.connect(url, autocommit=True, application_name="motet-cli", connect_timeout=10) as connection:
            rows = [row for schema in with_leaders(connection) for row in leaders_of(connection, schema)]
    except psycopg.OperationalError as error:
        raise ConfigurationError(f"PostgreSQL does not answer: {' '.join(str(error).split())}") from error
    lines(
        rows,
        ("service", "job", "partition", "replica", "token", "since", "acted_at"),
        json,
        "no service has done a singleton job yet",
    )


def with_leaders(connection: psycopg.Connection[Any]) -> list[str]:
    """The schemas of services, each of which says who leads its jobs."""
    found = connection.execute(
        "SELECT table_schema::text FROM information_schema.tables WHERE table_name = 'leader' AND table_schema IN "
        "(SELECT table_schema FROM information_schema.tables WHERE table_name = 'shard_offset') ORDER BY 1"
    )
    return [schema for (schema,) in found]


def leaders_of(connection: psycopg.Connection[Any], schema: str) -> list[dict[str, Any]]:
    """A service's leaders."""
    asked = sql.SQL("SELECT {} AS service, job, partition, replica, token, since, acted_at FROM {} ORDER BY job")
    return rows_of(connection.execute(asked.format(sql.Literal(schema), sql.Identifier(schema, "leader"))))
