"""Lines of sales as many sources write them, made into rows that are all alike. `motet up --tools examples/data_preparation/tools.py` serves this.

`clean` runs once for each line, thousands at a time; `store` and `publish` bring together what came of it.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date
from typing import Final

from typing_extensions import TypedDict

from motet import Context, ToolFailed, Toolset

tools = Toolset(
    "preparation",
    schema="""
CREATE TABLE IF NOT EXISTS prepared (
    tenant text, name text, chunk integer, place integer, customer text NOT NULL, day date NOT NULL, cents bigint NOT NULL,
    PRIMARY KEY (tenant, name, chunk, place)
);
CREATE TABLE IF NOT EXISTS data_set (
    tenant text, name text, sales integer NOT NULL, cents bigint NOT NULL, sha256 text NOT NULL, PRIMARY KEY (tenant, name)
);
""",
)
GERMAN: Final = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})")
ISO: Final = re.compile(r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})")
AMOUNT: Final = re.compile(r"\d+\.\d\d")


class Row(TypedDict):
    """A sale: who, when (ISO 8601), and how much in cents."""

    customer: str
    day: str
    cents: int


class Summary(TypedDict):
    """How many sales, what they add up to, and a digest of them in their order."""

    sales: int
    cents: int
    sha256: str


@tools.tool(effect="pure")
def clean(line: str) -> Row:
    """Reads one line, `customer;date;amount`, with the dates and amounts of two countries."""
    customer, written, amount = (part.strip() for part in line.split(";"))
    # 1.234,50 and 1,234.50 are the same amount.
    plain = amount.replace(".", "").replace(",", ".") if amount[-3:-2] == "," else amount.replace(",", "")
    if not AMOUNT.fullmatch(plain):
        raise ToolFailed(f"{amount!r} is no amount", code="NO_AMOUNT")
    found = GERMAN.fullmatch(written) or ISO.fullmatch(written)
    if found is None:
        raise ToolFailed(f"{written!r} is no date", code="NO_DATE")
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError as error:
        raise ToolFailed(f"{written!r} is no day of any calendar", code="NO_DATE") from error
    return {"customer": customer.title(), "day": day.isoformat(), "cents": int(plain.replace(".", ""))}


@tools.tool(effect="transactional", writes="prepared:{name}:{chunk}")
def store(context: Context, name: str, chunk: int, rows: list[Row]) -> Summary:
    """Stores the rows of one chunk, in the order given."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row['customer']};{row['day']};{row['cents']}\n".encode())
    with context.connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO prepared VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                (context.tenant, name, chunk, place, row["customer"], row["day"], row["cents"])
                for place, row in enumerate(rows)
            ],
        )
    return {"sales": len(rows), "cents": sum(row["cents"] for row in rows), "sha256": digest.hexdigest()}


@tools.tool(effect="transactional", writes="prepared:{name}:*")
def publish(context: Context, name: str, chunks: list[Summary]) -> Summary:
    """Joins what the chunks say of themselves into what the whole says."""
    whole: Summary = {
        "sales": sum(one["sales"] for one in chunks),
        "cents": sum(one["cents"] for one in chunks),
        "sha256": hashlib.sha256("".join(one["sha256"] for one in chunks).encode()).hexdigest(),
    }
    context.connection.execute(
        "INSERT INTO data_set VALUES (%s, %s, %s, %s, %s)", (context.tenant, name, *whole.values())
    )
    return whole
