"""The tool that the benchmark calls: one row changed in the hop's own transaction."""

from __future__ import annotations

from motet.tools import Context, Toolset

tools = Toolset(
    "bench",
    schema="CREATE TABLE IF NOT EXISTS counter (domain text, name text, value bigint NOT NULL, PRIMARY KEY (domain, name))",
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
