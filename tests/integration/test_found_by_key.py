"""What a hop asks of its tables is found by key, also while they are empty and nobody has counted them: such plans are kept and used on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest
from psycopg import sql

import servers
from motet.chassis import database
from motet.chassis.settings import Settings
from motet.projector import surface
from motet.projector.changes import Changes, Row
from motet.projector.tables import CALLS, CLAIMS, PLANS
from motet.projector.writer import PLACE, Writer
from motet.records import Invocation
from motet.tools.answers import Answers
from motet.tools.host import declaration
from motet.tools.toolset import Toolset


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """PostgreSQL and nothing else."""
    with servers.open_directory() as directory, servers.postgres_alone(directory) as found:
        yield found


class Explained:
    """A connection that says how each statement would be run, and runs none."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.lines: list[str] = []

    def execute(self, statement: bytes | str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Keeps the plan."""
        text = statement.decode() if isinstance(statement, bytes) else statement
        for number in range(len(parameters)):
            text = text.replace("%s", f"${number + 1}", 1)
        self.connection.execute(f"PREPARE kept AS {text}".encode())
        values = ", ".join(literal(self.connection, value) for value in parameters)
        found = self.connection.execute(f"EXPLAIN EXECUTE kept ({values})".encode()).fetchall()
        self.connection.execute("DEALLOCATE kept")
        self.lines += [line for (line,) in found]
        return []


def literal(connection: psycopg.Connection[Any], value: Any) -> str:
    """A value as PostgreSQL writes it, without a type of its own."""
    return sql.Literal(value).as_string(connection).rpartition("::")[0] or sql.Literal(value).as_string(connection)


@pytest.mark.parametrize("made", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("rows", [0, 100, 20_000])
def test_a_tool_service_finds_answers_by_their_keys(url: str, rows: int, made: str) -> None:
    """Not by an index that begins with the shard and says nothing of the key."""
    service = declaration(Toolset("empty"), Settings(kafka_bootstrap="x", postgres_url=url, schema_registry_url="x"))
    database.migrate(url, service.schema, service.migrations)
    with database.connect(url, service.schema, "test") as connection:
        for statement in service.options[1:]:
            connection.execute(statement.encode())
        # Rows that nobody has counted, and a plan that is made once for all keys, or for many of them.
        connection.execute("TRUNCATE answer")
        connection.execute(
            "INSERT INTO answer SELECT mod(n, 4), n::text, '', '', n FROM generate_series(1, %s) AS n (n)", (rows,)
        )
        connection.execute(f"SET plan_cache_mode = {made}".encode())
        explained = Explained(connection)
        calls = [(Invocation(0, "c", "t.f", 1, "{}", f"{number:032x}", 1), 0) for number in range(4_000)]
        Answers(explained, 0).find(calls)  # type: ignore[arg-type]
    assert any("answer_pkey" in line for line in explained.lines), explained.lines
    assert not any("Seq Scan" in line for line in explained.lines), explained.lines


class ExplainedWriter(Writer):
    """A writer whose statements are explained."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        super().__init__(connection, surface.SCHEMA)
        self.explained = Explained(connection)

    def run(self, statement: str, rows: Sequence[Row]) -> None:
        """Explains a statement over rows, if there are any."""
        if rows:
            self.explained.execute(statement, ("[]",))


def test_the_projector_changes_rows_by_their_keys(url: str) -> None:
    """No batch reads a whole table, however many rows it has by then."""
    surface.ensure(url)
    with database.connect(url, "public", "test") as connection:
        writer = ExplainedWriter(connection)
        writer.change(PLANS, [{"plan_id": "p", "status": "SUCCEEDED"}])
        writer.change(CALLS, [{"plan_id": "p", "index": 0, "status": "SUCCEEDED"}])
        writer.change(CLAIMS, [{"plan_id": "p", "index": 0, "compensation": False, "call_ended": True}], key=PLACE)
        writer.repeat({"p": 1})
        changes = Changes()
        changes.claims.end("p")
        writer.release(changes.claims)
    assert len(writer.explained.lines) > 10
    assert not [line for line in writer.explained.lines if "Seq Scan" in line or "Hash" in line or "Merge" in line]
