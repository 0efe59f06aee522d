"""A printer that every domain shares: one plan has it at a time, and the plan gets it before it stands in any line."""

from __future__ import annotations

from motet import Context, Toolset

tools = Toolset("office", schema="CREATE TABLE IF NOT EXISTS page (printer text, words text, token bigint)")


@tools.tool(effect="transactional", writes="folder:{folder}", leases="shared/printer:{printer}", lease_seconds=30)
def print_page(context: Context, printer: str, folder: str, words: str) -> str:
    """Prints a page. The host refuses it if somebody with a later lease was at the printer; nothing is printed then."""
    token = context.leases[f"shared/printer:{printer}"]
    context.connection.execute("INSERT INTO page VALUES (%s, %s, %s)", (printer, words, token))
    return f"{words} from {folder}"
