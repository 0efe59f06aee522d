"""The judge stands outside: he has the topics, SQL as a reader has it, the tools' own tables, and the witness's log.

Each check is a function from what was seen to sentences, one for each thing that must not be. Safety only: whether things come to an end in
time is another question, asked in `settling.py`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from motet.chaos.facts import Ended, Facts, transfer_of
from motet.chaos.load import ACCOUNTS, OPENING, Operation, canary
from motet.chaos.stage import Stage
from motet.chassis.canonical import canonical_json
from motet.demo.toolsets.bank import answer, decide

OF_LEDGER: Final = frozenset({"chaos.deposit", "chaos.withdraw", "chaos.note"})
OF_WITNESS: Final = frozenset({"chaos.charge", "chaos.refund", "chaos.pay", "chaos.mail"})
# What a tool did that honours or asks for a key may be doubtful to nobody.
KNOWABLE: Final = OF_LEDGER | {"chaos.pay"}
ENDS_OF_SAGAS: Final = frozenset({"COMPENSATED", "COMPENSATION_FAILED", "REJECTED", "IN_DOUBT"})
CANARIES: Final = ("plans", "calls", "events", "effects", "dead_letters", "attempts", "compensations")


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that is judged."""

    operations: Sequence[Operation]
    facts: Facts
    # Rows of the ledger by key, sums of it by plan; lines of the witness by key; balances by tenant and account.
    ledger: Mapping[str, int]
    sums: Mapping[str, int]
    witness: Mapping[str, int]
    balances: Mapping[tuple[str, str], int]
    # Rows in SQL with another tenant's canary, as a tenant reads them.
    strayed_rows: Sequence[str]


def see(stage: Stage, operations: Sequence[Operation], facts: Facts, tenants: Sequence[str]) -> Seen:
    """Reads what is not in the topics. Raises psycopg.Error."""
    with psycopg.connect(stage.addresses.postgres, autocommit=True) as connection:
        entries = connection.execute(
            "SELECT key, plan_id, amount FROM tools_chaos.ledger WHERE tenant = ANY(%s)", (list(tenants),)
        ).fetchall()
        accounts = connection.execute(
            "SELECT tenant, id, balance FROM tools_bank.account WHERE tenant = ANY(%s)", (list(tenants),)
        ).fetchall()
        strayed = [line for tenant in tenants for line in strayed_in(connection, tenant, tenants)]
    sums: dict[str, int] = defaultdict(int)
    for _, plan_id, amount in entries:
        sums[plan_id] += amount
    return Seen(
        operations,
        facts,
        Counter(key for key, _, _ in entries),
        sums,
        Counter(one["key"] for one in stage.witness.effects()),
        {(tenant, account): balance for tenant, account, balance in accounts},
        strayed,
    )


def strayed_in(connection: psycopg.Connection[Any], tenant: str, tenants: Sequence[str]) -> Iterator[str]:
    """What a tenant can read in SQL that is another one's."""
    with connection.transaction():
        connection.execute("SET LOCAL ROLE motet_tenant")
        connection.execute("SELECT set_config('motet.tenant', %s, true)", (tenant,))
        for table in CANARIES:
            query = sql.SQL("SELECT count(*) FROM {} AS t WHERE tenant <> %s OR t::text LIKE ANY(%s)")
            others = [f"%{canary(other)}%" for other in tenants if other != tenant]
            row = connection.execute(query.format(sql.Identifier("motet", table)), (tenant, others)).fetchone()
            if row is not None and row[0]:
                yield f"tenant {tenant} reads {row[0]} rows of others in {table}"


# -- checks --------------------------------------------------------------------------------------------------------------------


def one_end(seen: Seen) -> Iterator[str]:
    """P1: a plan that is in the log has exactly one terminal event, one that nobody knows of at most one, and agents were told the same."""
    facts = seen.facts
    for plan_id in facts.admitted:
        ends = facts.ends.get(plan_id, {})
        if len(ends) != 1:
            yield f"plan {plan_id} was admitted and has {len(ends)} terminal events"
    for one in seen.operations:
        ends = facts.ends.get(one.plan_id, {})
        if len(ends) > 1:
            yield f"plan {one.plan_id} ({one.kind}) has {len(ends)} terminal events: {sorted(ends.values())}"
        if one.status is not None and set(ends.values()) != {one.status}:
            yield f"plan {one.plan_id} ({one.kind}): its agent was told {one.status}, the log says {sorted(ends.values())}"
        if one.seen == "failed" and ends:
            yield f"plan {one.plan_id} ({one.kind}) was refused for good at its submission, and ended in the log"


def effects_once(seen: Seen) -> Iterator[str]:
    """P2: no key has two effects; what succeeded has one, what failed in a transaction none, and a doubt is said."""
    for where, counted in (("ledger", seen.ledger), ("witness", seen.witness)):
        for key, count in counted.items():
            if count > 1:
                yield f"key {key} has {count} effects in the {where}: {describe(seen, key)}"
    for one in (*seen.facts.calls.values(), *seen.facts.undone.values()):
        if one.tool in OF_LEDGER | OF_WITNESS:
            counted = seen.ledger if one.tool in OF_LEDGER else seen.witness
            yield from of_call(one, counted.get(one.key, 0))


def of_call(one: Ended, count: int) -> Iterator[str]:
    """One call's effect and its outcome."""
    about = f"{one.tool} of plan {one.plan_id}, call {one.index}, key {one.key}"
    if one.outcome == "SUCCEEDED" and count != 1:
        yield f"{about} succeeded and has {count} effects"
    if one.outcome not in ("SUCCEEDED", "IN_DOUBT") and one.tool in KNOWABLE and count:
        yield f"{about} ended {one.outcome} and has {count} effects"
    if one.outcome == "IN_DOUBT" and one.tool in OF_LEDGER:
        yield f"{about} is in doubt: a transaction is never"


def describe(seen: Seen, key: str) -> str:
    """Whose key it is."""
    calls = (*seen.facts.calls.values(), *seen.facts.undone.values())
    return next((f"{one.tool}, plan {one.plan_id}, {one.outcome}" for one in calls if one.key == key), "of no call")


def no_orphans(seen: Seen) -> Iterator[str]:
    """A row in a ledger belongs to a call that succeeded."""
    known = {one.key for one in (*seen.facts.calls.values(), *seen.facts.undone.values()) if one.outcome == "SUCCEEDED"}
    for key in seen.ledger:
        if key not in known:
            yield f"key {key} has a row in the ledger, and no call that succeeded: {describe(seen, key)}"


def sagas(seen: Seen) -> Iterator[str]:
    """A plan that says that it was undone left nothing, and one that fails undoes."""
    for one in seen.operations:
        for outcome in seen.facts.ends.get(one.plan_id, {}).values():
            left = seen.sums.get(one.plan_id, 0)
            if outcome == "COMPENSATED" and left:
                yield f"plan {one.plan_id} says that it was undone, and {left} is left in the ledger"
            if one.kind == "saga" and outcome not in ENDS_OF_SAGAS:
                yield f"plan {one.plan_id} is a saga that fails, and ended {outcome}"


def reverse(seen: Seen) -> Iterator[str]:
    """What undoes comes in the reverse of the order in which it was done."""
    begun: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for (plan_id, index), one in seen.facts.undoing.items():
        begun[plan_id].append((one.meta.hlc, index))
    for plan_id, found in begun.items():
        indexes = [index for _, index in sorted(found)]
        if indexes != sorted(indexes, reverse=True):
            yield f"plan {plan_id} undid calls {indexes}, and should have begun with the last"


def serial(seen: Seen) -> Iterator[str]:
    """P3: every result of a transfer, and every balance, is that of running the plans one after another in the order of the log."""
    balances = {(tenant, f"{number:02}"): OPENING for tenant, _ in seen.balances for number in range(ACCOUNTS)}
    for plan in in_log_order(seen.facts):
        tenant = plan.meta.tenant
        own = {account: amount for (whose, account), amount in balances.items() if whose == tenant}
        for index in range(len(plan.calls)):
            ended = seen.facts.calls.get((plan.plan_id, index))
            if ended is None or ended.outcome != "SUCCEEDED" or ended.tool != "bank.transfer":
                continue
            asked = transfer_of(plan, index)
            reason = decide(asked["source"], asked["target"], asked["amount"], own)
            if reason is None:
                own[asked["source"]] -= asked["amount"]
                own[asked["target"]] += asked["amount"]
            want = canonical_json(dict(answer(asked["source"], asked["target"], reason, own)))
            if want != ended.result:
                yield f"plan {plan.plan_id}, call {index}: {ended.result}, and in the order of the log it is {want}"
        balances |= {(tenant, account): amount for account, amount in own.items()}
    for place, amount in seen.balances.items():
        if balances[place] != amount:
            yield f"account {place[1]} of {place[0]} has {amount}, and in the order of the log {balances[place]}"


def in_log_order(facts: Facts) -> list[Any]:
    """Plans of transfers as the coordinator decided about them, one shard's clock never going back: the order of the log."""
    return sorted((one for one in facts.admitted.values() if one.meta.domain == "bank"), key=lambda one: one.meta.hlc)


def apart(seen: Seen) -> Iterator[str]:
    """P7: no tenant's canary is in another one's record or row."""
    yield from seen.facts.strayed
    yield from seen.strayed_rows


CHECKS: Final[Mapping[str, Callable[[Seen], Iterator[str]]]] = {
    "one end": one_end,
    "effects once": effects_once,
    "no orphans": no_orphans,
    "sagas": sagas,
    "reverse order": reverse,
    "serial order": serial,
    "tenants apart": apart,
}


def judge(seen: Seen) -> list[str]:
    """Everything that must not be, each with the check that found it."""
    return [f"{name}: {said}" for name, check in CHECKS.items() for said in check(seen)]
