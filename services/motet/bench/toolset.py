"""The tools that the benchmark calls: one row changed, or written, in the hop's own transaction."""

from __future__ import annotations

from motet.tools import Context, Toolset

tools = Toolset(
    "bench",
    schema="""
    CREATE TABLE IF NOT EXISTS counter (domain text, name text, value bigint NOT NULL, PRIMARY KEY (domain, name));
    CREATE TABLE IF NOT EXISTS note (key text PRIMARY KEY, name text NOT NULL, amount bigint NOT NULL);
    """,
)
ADD = """
INSERT INTO counter (domain, name, value) VALUES (%s, %s, %s)
ON CONFLICT (domain, name) DO UPDATE SET value = counter.value + excluded.value RETURNING value
"""


@tools.tool(effect="transactional", writes="counter:{name}")
def add(context: Context, name: str, amount: int) -> int:
    """Adds to a counter and returns its value."""
    row = context.connection.execute(ADD, (context.domain, name, amount)).fetchone()
    return int(row[0]) if row else 0


@tools.tool(effect="transactional")
def note(context: Context, name: str, amount: int) -> int:
    """Writes a row of its own, which conflicts with nobody's."""
    context.connection.execute("INSERT INTO note VALUES (%s, %s, %s)", (context.key, name, amount))
    return amount
