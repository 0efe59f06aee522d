"""What a help desk's agents call: orders that are looked up and refunded, and a stock that is asked about."""

from motet import Context, ToolFailed, Toolset

tools = Toolset(
    "desk",
    schema="""
    CREATE TABLE IF NOT EXISTS refund (tenant text, number text, amount integer, PRIMARY KEY (tenant, number))
    """,
)
ORDERS = {"1001": 30, "1002": 45, "1003": 900}


@tools.tool(effect="pure")
def find(number: str) -> dict[str, str | int]:
    """An order by its number, with what was paid for it."""
    if number not in ORDERS:
        raise ToolFailed(f"there is no order {number}", code="NO_SUCH_ORDER")
    return {"number": number, "paid": ORDERS[number]}


@tools.tool(effect="transactional", writes="order:{number}")
def refund(context: Context, number: str, amount: int) -> dict[str, str | int]:
    """Pays back what was paid for an order, once for each order."""
    written = context.connection.execute(
        "INSERT INTO refund VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (context.tenant, number, amount)
    )
    if written.rowcount == 0:
        raise ToolFailed(f"order {number} was refunded before", code="REFUNDED_BEFORE")
    return {"number": number, "refunded": amount}


@tools.tool(effect="pure")
def weigh(number: str) -> int:
    """How many days it takes to send an order again."""
    return 2 + int(number) % 3
