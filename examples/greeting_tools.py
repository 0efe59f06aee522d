"""A toolset: typed functions and what they touch. `motet up --tools examples/greeting_tools.py` serves it."""

from motet import Context, ToolFailed, Toolset

tools = Toolset(
    "greeting",
    schema="CREATE TABLE IF NOT EXISTS greeted (tenant text, name text, times integer, PRIMARY KEY (tenant, name))",
)


@tools.tool(effect="transactional", writes="guest:{name}")
def greet(context: Context, name: str) -> dict[str, str | int]:
    """Greets a guest and counts the greetings: each call counts once, whatever crashes."""
    if not name.strip():
        raise ToolFailed("a guest has a name", code="NO_NAME")
    row = context.connection.execute(
        "INSERT INTO greeted VALUES (%s, %s, 1) ON CONFLICT (tenant, name) DO UPDATE SET times = greeted.times + 1 RETURNING times",
        (context.tenant, name),
    ).fetchone()
    return {"greeting": f"Hello, {name}!", "times": row[0] if row else 0}


@tools.tool(effect="pure")
async def shout(text: str) -> str:
    """Returns a text in capitals."""
    return text.upper()
