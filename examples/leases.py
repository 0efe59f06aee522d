"""A lease on two accounts, and a write that is fenced by its token: who comes late with an old token writes nothing."""

import sys

import psycopg

from motet import Client
from motet.client.leases import held
from motet.leases import StaleToken, fence, prepare

with Client(tenant="acme", domain="accounts", agent="auditor") as client, psycopg.connect(sys.argv[1]) as connection:
    prepare(connection)
    connection.commit()
    with held(client.leases, ["account:42", "account:7"], duration_seconds=30) as lease:
        print("held:", ", ".join(lease.resources))
        with connection.transaction():
            fence(connection, "account:42", lease.token, scope="acme/accounts")
            # What the lease protects is written here, in the same transaction.
            print("written")
    print("held by nobody:", client.leases.holder("account:42") is None)
    try:
        with connection.transaction():
            fence(connection, "account:42", lease.token - 1, scope="acme/accounts")
    except StaleToken as stale:
        print("refused:", *str(stale).split()[:2])
