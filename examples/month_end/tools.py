"""The books of a bank at the end of a month. `motet up --tools examples/month_end/tools.py` serves them.

A domain is a set of books of its own. A posting writes the one account that it is about; closing a period writes `account:*`, the whole of
all accounts: it waits for every posting that was asked for before it, and whatever is asked for behind it waits. Amounts are cents.
"""

from __future__ import annotations

from typing import Any, Final

from typing_extensions import TypedDict

from motet import Context, ToolFailed, Toolset

tools = Toolset(
    "books",
    schema="""
CREATE TABLE IF NOT EXISTS period (
    tenant text, books text, number integer, closed boolean NOT NULL DEFAULT false, PRIMARY KEY (tenant, books, number)
);
CREATE TABLE IF NOT EXISTS entry (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant text NOT NULL, books text NOT NULL, period integer NOT NULL,
    account text NOT NULL, amount bigint NOT NULL, plan_id text NOT NULL, call_index integer NOT NULL,
    FOREIGN KEY (tenant, books, period) REFERENCES period (tenant, books, number)
);
CREATE INDEX IF NOT EXISTS entry_of_account ON entry (tenant, books, account);
""",
)
SUMS: Final = """
SELECT count(e.number), coalesce(sum(e.amount) FILTER (WHERE e.amount > 0), 0)::bigint,
    coalesce(-sum(e.amount) FILTER (WHERE e.amount < 0), 0)::bigint
FROM entry AS e WHERE e.tenant = %s AND e.books = %s AND e.period = %s
"""


class Posted(TypedDict):
    """A posting: the period that was open, and the amount."""

    period: int
    amount: int


class Sums(TypedDict):
    """What stands in a period: how many entries, and what they add up to on either side."""

    period: int
    closed: bool
    entries: int
    debit: int
    credit: int


def rows(context: Context, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Rows of these books."""
    found = context.connection.execute(query.encode(), (context.tenant, context.domain, *parameters))
    return found.fetchall() if found.description else []


def open_period(context: Context) -> int:
    """The period that postings go to."""
    found = rows(context, "SELECT number FROM period WHERE tenant = %s AND books = %s AND NOT closed")
    if not found:
        raise ToolFailed(f"the books {context.domain} were never opened", code="NO_PERIOD")
    return int(found[0][0])


def post(context: Context, account: str, against: str, amount: int) -> Posted:
    """Two entries whose sum is zero, in the period that is open."""
    period = open_period(context)
    for name, change in ((account, amount), (against, -amount)):
        rows(
            context,
            "INSERT INTO entry (tenant, books, period, account, amount, plan_id, call_index) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            *(period, name, change, context.plan_id, context.call_index),
        )
    return {"period": period, "amount": amount}


def sums(context: Context, period: int) -> Sums:
    """What stands in a period."""
    closed = rows(context, "SELECT closed FROM period WHERE tenant = %s AND books = %s AND number = %s", period)
    entries, debit, credit = rows(context, SUMS, period)[0]
    return {"period": period, "closed": closed[0][0], "entries": entries, "debit": debit, "credit": credit}


@tools.tool(effect="transactional", writes="account:*")
def open_books(context: Context, accounts: int, each: int) -> int:
    """Opens accounts with a deposit each, and the first period."""
    rows(context, "INSERT INTO period (tenant, books, number) VALUES (%s, %s, 1)")
    for number in range(accounts):
        post(context, f"{number:04}", "cash", each)
    return accounts


@tools.tool(effect="transactional", writes="account:{account}")
def accrue(context: Context, account: str, amount: int) -> Posted:
    """Charges an account what has accrued in the month."""
    return post(context, account, "fees", -amount)


@tools.tool(effect="transactional", writes="account:{account}")
def interest(context: Context, account: str, basis_points: int) -> Posted:
    """Pays an account interest on what it holds at its turn; a basis point is a hundredth of a percent."""
    held = rows(
        context, "SELECT sum(amount)::bigint FROM entry WHERE tenant = %s AND books = %s AND account = %s", account
    )
    return post(context, account, "interest", (held[0][0] or 0) * basis_points // 10_000)


@tools.tool(effect="transactional", reads="account:*")
def trial_balance(context: Context) -> Sums:
    """Adds up the period that is open."""
    return sums(context, open_period(context))


@tools.tool(effect="transactional", writes="account:*")
def close(context: Context, period: int, entries: int) -> Sums:
    """Closes a period, if it balances and is the one that was added up; from then on postings go to the next."""
    found = sums(context, period)
    if found["entries"] != entries or found["closed"]:
        raise ToolFailed(f"{entries} entries were added up, and there are {found['entries']}", code="MOVED")
    if found["debit"] != found["credit"]:
        raise ToolFailed(f"{found['debit']} debit, {found['credit']} credit", code="NOT_IN_BALANCE")
    rows(context, "UPDATE period SET closed = true WHERE tenant = %s AND books = %s AND number = %s", period)
    rows(context, "INSERT INTO period (tenant, books, number) VALUES (%s, %s, %s)", period + 1)
    return {**found, "closed": True}


@tools.tool(effect="transactional", reads="account:*")
def report(context: Context) -> list[Sums]:
    """What stands in each period, when no posting is under way."""
    found = rows(context, "SELECT number FROM period WHERE tenant = %s AND books = %s ORDER BY number")
    return [sums(context, number) for (number,) in found]
