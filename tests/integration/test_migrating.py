"""A schema is brought to the newest version once; who starts again looks, and loads nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from typing import Final

import psycopg

from motet.platform import Addresses
from servers import ROOT

MIGRATES: Final = """
import sys
from motet.chassis import database
database.migrate(*sys.argv[1:], ())
print("alembic" in sys.modules)
"""


def migrated(addresses: Addresses, schema: str) -> subprocess.CompletedProcess[str]:
    """Another process that needs the hop's tables in a schema."""
    command = [sys.executable, "-c", MIGRATES, addresses.postgres, schema]
    known = {**os.environ, "PYTHONPATH": str(ROOT / "services")}
    return subprocess.run(command, env=known, capture_output=True, text=True, check=False)


def test_only_what_is_not_the_newest_is_migrated(addresses: Addresses) -> None:
    """Alembic is there for a new schema, not for one that is as it should be, and refuses one that is newer than the program."""
    schema = f"migrating_{uuid.uuid4().hex[:12]}"
    first, second = migrated(addresses, schema), migrated(addresses, schema)
    assert (first.stdout, second.stdout) == ("True\n", "False\n"), first.stderr + second.stderr
    with psycopg.connect(addresses.postgres) as connection:
        connection.execute(f"UPDATE {schema}.alembic_version SET version_num = 'hop_9999'".encode())
    refused = migrated(addresses, schema)
    assert refused.returncode != 0
    assert "hop_9999" in refused.stderr
    with psycopg.connect(addresses.postgres) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall()
        connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
    assert {("outbox",), ("shard",)} < set(tables)
