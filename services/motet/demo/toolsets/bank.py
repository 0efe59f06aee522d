"""A bank whose transfers conflict: an overdraft is refused, so the order of transfers decides which of them happen."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from motet.tools import Context, Toolset

# The journal's key is the call's own: were an effect applied twice, the second would break it.
SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
    tenant text NOT NULL,
    domain text NOT NULL,
    id text NOT NULL,
    balance bigint NOT NULL CHECK (balance >= 0),
    PRIMARY KEY (tenant, domain, id)
);
CREATE TABLE IF NOT EXISTS journal (
    key text PRIMARY KEY,
    tenant text NOT NULL,
    domain text NOT NULL,
    plan_id text NOT NULL,
    call_index integer NOT NULL,
    source text NOT NULL,
    target text NOT NULL,
    amount bigint NOT NULL
)
"""
LOCK = "SELECT id, balance FROM account WHERE tenant = %s AND domain = %s AND id = ANY(%s) ORDER BY id FOR UPDATE"
MOVE = """
WITH moved AS (
    UPDATE account SET balance = balance + CASE WHEN id = %(source)s THEN -%(amount)s ELSE %(amount)s END
    WHERE tenant = %(tenant)s AND domain = %(domain)s AND id IN (%(source)s, %(target)s)
)
INSERT INTO journal (key, tenant, domain, plan_id, call_index, source, target, amount)
VALUES (%(key)s, %(tenant)s, %(domain)s, %(plan_id)s, %(call_index)s, %(source)s, %(target)s, %(amount)s)
"""
OPEN = "INSERT INTO account (tenant, domain, id, balance) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"

Reason = Literal["insufficient funds", "no such account", "same account", "amount must be positive"]


class Opened(TypedDict):
    """Whether the account is new, and its opening balance."""

    ok: bool
    balance: int


class Transferred(TypedDict):
    """Whether money moved, why not if not, and both balances as they are now (null for an account that does not exist)."""

    ok: bool
    reason: Reason | None
    source_balance: int | None
    target_balance: int | None


tools = Toolset("bank", schema=SCHEMA)


def decide(source: str, target: str, amount: int, balances: dict[str, int]) -> Reason | None:
    """Why a transfer is refused, or None if it may happen: the one rule, for the tool and for the serial run."""
    if amount <= 0:
        return "amount must be positive"
    if source == target:
        return "same account"
    if source not in balances or target not in balances:
        return "no such account"
    if balances[source] < amount:
        return "insufficient funds"
    return None


def answer(source: str, target: str, reason: Reason | None, balances: dict[str, int]) -> Transferred:
    """A transfer's result, with the balances after it."""
    return Transferred(
        ok=reason is None,
        reason=reason,
        source_balance=balances.get(source),
        target_balance=balances.get(target),
    )


@tools.tool(effect="transactional", writes=("account:{account}",), name="open")
def open_account(context: Context, account: str, balance: int) -> Opened:
    """Opens an account with a balance in cents; an account that exists stays as it is and the answer is not ok."""
    opened = context.connection.execute(OPEN, (context.tenant, context.domain, account, balance))
    return Opened(ok=opened.rowcount == 1, balance=balance)


@tools.tool(effect="transactional", writes=("account:{source}", "account:{target}"))
def transfer(context: Context, source: str, target: str, amount: int) -> Transferred:
    """Moves an amount in cents between two accounts, or refuses and changes nothing if the source holds less."""
    rows = context.connection.execute(LOCK, (context.tenant, context.domain, [source, target])).fetchall()
    balances: dict[str, int] = dict(rows)
    reason = decide(source, target, amount, balances)
    if reason is None:
        context.connection.execute(
            MOVE,
            {
                "source": source,
                "target": target,
                "amount": amount,
                "key": context.key,
                "tenant": context.tenant,
                "domain": context.domain,
                "plan_id": context.plan_id,
                "call_index": context.call_index,
            },
        )
        balances[source] -= amount
        balances[target] += amount
    return answer(source, target, reason, balances)
