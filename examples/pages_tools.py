"""Pages that several agents edit without waiting for each other: each writes the version that it read, or learns who was faster."""

from motet import Context, Toolset

tools = Toolset(
    "pages",
    schema="CREATE TABLE IF NOT EXISTS page (tenant text, name text, text text, PRIMARY KEY (tenant, name))",
)


def read(context: Context, name: str) -> str:
    """A page's text."""
    row = context.connection.execute(
        "SELECT text FROM page WHERE tenant = %s AND name = %s", (context.tenant, name)
    ).fetchone()
    return row[0] if row else ""


def write(context: Context, name: str, text: str) -> None:
    """Replaces a page's text."""
    context.connection.execute(
        "INSERT INTO page VALUES (%s, %s, %s) ON CONFLICT (tenant, name) DO UPDATE SET text = excluded.text",
        (context.tenant, name, text),
    )


@tools.tool(effect="transactional")
def show(context: Context, name: str) -> dict[str, str | int]:
    """A page and its version."""
    return {"text": read(context, name), "version": context.version(f"page:{name}")}


@tools.tool(effect="transactional")
def edit(context: Context, name: str, text: str, version: int | None = None) -> int:
    """Replaces a page if it still has the version that its editor read; returns the new version."""
    now = context.expect(f"page:{name}", version)
    write(context, name, text)
    return now


@tools.tool(effect="transactional", on_conflict="reread", backoff_seconds=0.05)
def append(context: Context, name: str, line: str) -> int:
    """Adds a line. It means the same at any version, so a call that met another one is tried again at that."""
    now = context.expect(f"page:{name}")
    write(context, name, f"{read(context, name)}{line}\n")
    return now
