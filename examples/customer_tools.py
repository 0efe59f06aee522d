"""Tools that are given personal values. `motet up --tools examples/customer_tools.py` serves them; docs/personal.md tells what becomes of them."""

from typing import Annotated

from typing_extensions import TypedDict

from motet import Context, Personal, ToolFailed, Toolset

tools = Toolset(
    "customer",
    schema="CREATE TABLE IF NOT EXISTS letter (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL)",
)


class Letter(TypedDict):
    """A letter that was sent: its number, and the line that stands on it."""

    number: int
    addressed_to: Annotated[str, Personal("customer:{customer}")]


@tools.tool(effect="transactional", writes="customer:{customer}")
def send(context: Context, customer: str, name: Annotated[str, Personal("customer:{customer}")]) -> Letter:
    """Sends a letter to a customer."""
    if "," in name:
        raise ToolFailed(f"{name} is no name: it has a comma", code="NO_NAME")
    row = context.connection.execute(
        "INSERT INTO letter (customer) VALUES (%s) RETURNING number", (customer,)
    ).fetchone()
    return {"number": row[0] if row else 0, "addressed_to": f"Dear {name}"}


@tools.tool(effect="idempotent")
def proofread(customer: str, line: Annotated[str, Personal("customer:{customer}")]) -> int:
    """Counts the letters of a line on a customer's letter."""
    if not customer:
        raise ToolFailed("a letter is a customer's", code="NO_CUSTOMER")
    return len(line)
