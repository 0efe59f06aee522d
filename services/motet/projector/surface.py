"""Creates the SQL surface: tables, comments, indexes, roles and row security, in whatever schema is asked for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final

import psycopg

from motet.projector.definition import Table
from motet.projector.lineage import FUNCTIONS, LINEAGE
from motet.projector.tables import TABLES
from motet.projector.views import VIEWS

SCHEMA: Final = "motet"
# One more with every change of the definition: of two versions only the newer one may replace the other's tables.
VERSION: Final = 5
# Reads everything; grant it to operators.
READER: Final = "motet_reader"
# Reads the rows of the tenant that `motet.tenant` names; grant it to a service that sets the name for its users.
TENANT_ROLE: Final = "motet_tenant"
# Tables of which no row is ever changed, looked for or met again by who writes them.
INSERTED_ONLY: Final = (LINEAGE,)
NUMBERED: Final = re.compile(r", version ([0-9]+), definition ")
OF_TENANT: Final = "tenant = NULLIF(current_setting('motet.tenant', true), '')"


def ensure(url: str) -> bool:
    """Creates the surface where it is missing. Several may do so at once. False if another version's is there."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('motet.projections'))")
        if description(connection, SCHEMA) is None:
            create(connection, SCHEMA)
        return is_ours(connection)


def is_ours(connection: psycopg.Connection[Any]) -> bool:
    """Whether the surface is what this version writes."""
    return description(connection, SCHEMA) == comment()


def is_newer(found: str | None) -> bool:
    """Whether tables that say this of themselves may not be replaced by this version's: a newer one, or one of the same number, made them."""
    number = NUMBERED.search(found or "")
    return number is not None and int(number[1]) >= VERSION and found != comment()


def description(connection: psycopg.Connection[Any], schema: str) -> str | None:
    """What a schema says of itself; None if there is none."""
    row = connection.execute(
        "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = %s", (schema,)
    ).fetchone()
    return None if row is None else str(row[0])


def comment() -> str:
    """What the schema says of itself: which version made it, by which definition."""
    return f"Motet: projections of the committed events, version {VERSION}, definition {digest()}"


def digest() -> str:
    """Of everything that is created."""
    return hashlib.sha256("\n".join(statements("s")).encode()).hexdigest()[:12]


def create(connection: psycopg.Connection[Any], schema: str) -> None:
    """Creates everything in a schema that does not exist."""
    for role in (READER, TENANT_ROLE):
        connection.execute(create_role(role).encode())
    connection.execute(f"CREATE SCHEMA {schema}".encode())
    for statement in statements(schema):
        connection.execute(statement.encode())
    connection.execute(f"COMMENT ON SCHEMA {schema} IS {quoted(comment())}".encode())


def unindex(connection: psycopg.Connection[Any], schema: str) -> None:
    """Without what makes filling slow: all indexes but keys, and the keys of tables whose rows are inserted and nothing else."""
    found = connection.execute(
        "SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text, c.conname FROM pg_index AS i "
        "JOIN pg_class AS t ON t.oid = i.indrelid LEFT JOIN pg_constraint AS c ON c.conindid = i.indexrelid "
        "WHERE t.relnamespace = %s::regnamespace AND (c.oid IS NULL OR t.relname = ANY(%s))",
        (schema, [table.name for table in INSERTED_ONLY]),
    ).fetchall()
    for table, index, key in found:
        connection.execute(
            (f"DROP INDEX {index}" if key is None else f"ALTER TABLE {table} DROP CONSTRAINT {key}").encode()
        )


def index(connection: psycopg.Connection[Any], schema: str) -> None:
    """Makes what `unindex` took."""
    connection.execute(b"SET maintenance_work_mem = '256MB'")
    for table in TABLES:
        if table in INSERTED_ONLY:
            connection.execute(f"ALTER TABLE {schema}.{table.name} ADD {key_of(table)}".encode())
        for statement in index_statements(schema, table):
            connection.execute(statement.encode())


def create_role(role: str) -> str:
    """A role belongs to the whole server: it may be there, and another database may be creating it now."""
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; END IF; "
        "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;"
        f"DO $$ BEGIN GRANT {role} TO CURRENT_USER; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"
    )


def statements(schema: str) -> Iterator[str]:
    """The DDL, in order."""
    for table in TABLES:
        yield from table_statements(schema, table)
    for view in VIEWS:
        name = f"{schema}.{view.name}"
        yield f"CREATE VIEW {name} WITH (security_invoker = true) AS {view.query.format(schema=schema)}"
        yield f"COMMENT ON VIEW {name} IS {quoted(view.comment)}"
        for column, meaning in view.columns.items():
            yield f'COMMENT ON COLUMN {name}."{column}" IS {quoted(meaning)}'
    for function in FUNCTIONS:
        name = f"{schema}.{function.name}"
        rows = ", ".join(f'"{column.name}" {column.type}' for column in function.columns)
        # A body that is parsed here and now, so that it follows the schema when that is renamed.
        yield (
            f"CREATE FUNCTION {name}({function.arguments}) RETURNS TABLE ({rows}) LANGUAGE sql STABLE PARALLEL SAFE "
            f"BEGIN ATOMIC {function.query.format(schema=schema)}; END"
        )
        yield f"COMMENT ON FUNCTION {name} IS {quoted(function.comment)}"
    yield f"GRANT USAGE ON SCHEMA {schema} TO {READER}, {TENANT_ROLE}"
    yield f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {READER}, {TENANT_ROLE}"


def table_statements(schema: str, table: Table) -> Iterator[str]:
    """One table with its comments, indexes and policies."""
    name = f"{schema}.{table.name}"
    lines = [f'"{column.name}" {column.type}' for column in table.columns]
    yield f"CREATE TABLE {name} ({', '.join(lines)}, {key_of(table)})"
    yield f"COMMENT ON TABLE {name} IS {quoted(table.comment)}"
    for column in table.columns:
        yield f'COMMENT ON COLUMN {name}."{column.name}" IS {quoted(column.comment)}'
    yield from index_statements(schema, table)
    if table.has_tenant:
        yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"
        yield f"CREATE POLICY owner ON {name} TO CURRENT_USER USING (true) WITH CHECK (true)"
        yield f"CREATE POLICY reader ON {name} FOR SELECT TO {READER} USING (true)"
        yield f"CREATE POLICY tenant ON {name} FOR SELECT TO {TENANT_ROLE} USING ({OF_TENANT})"


def key_of(table: Table) -> str:
    """A table's key."""
    columns = ", ".join(f'"{column}"' for column in table.key)
    return f"PRIMARY KEY ({columns})"


def index_statements(schema: str, table: Table) -> Iterator[str]:
    """A table's indexes, but for its key."""
    name = f"{schema}.{table.name}"
    for index in table.indexes:
        yield f"CREATE INDEX ON {name} {index}" if index.startswith("USING") else f"CREATE INDEX ON {name} ({index})"


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
