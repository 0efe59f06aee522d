"""A holder of a lease, as a process of its own: it takes the lease, is told to go on by a line, and then writes as if nothing had happened."""

from __future__ import annotations

import json
import sys

import psycopg

from motet import Call, Client
from motet.client.leases import LeaseLost
from motet.leases import StaleToken, fence

tenant, domain, postgres = sys.argv[1:]
with Client(tenant=tenant, domain=domain, agent="paused") as client:
    lease = client.leases.acquire(["account:42"], duration_seconds=2)
    print(json.dumps(lease.token), flush=True)  # noqa: T201  the test reads it
    sys.stdin.readline()
    argument = {"resource": "account:42", "token": lease.token}
    said = []
    for tool, arguments in (("fenced.deposit", {"account": "42", "amount": 1}), ("fenced.tell", {"account": "42"})):
        ended = client.run([Call(tool, {**arguments, "lease": argument})])
        (one,) = ended.results
        said.append(f"{one.error_code}: {one.error_message}")
    with psycopg.connect(postgres) as connection:
        try:
            fence(connection, "account:42", lease.token, domain)
            said.append("it was written")
        except StaleToken as stale:
            said.append(str(stale))
    try:
        client.leases.release(lease)
        said.append("it was released")
    except LeaseLost as lost:
        said.append(str(lost))
    print(json.dumps(said), flush=True)  # noqa: T201
