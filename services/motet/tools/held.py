"""An argument by which a call says that it acts under a lease: the host fences the call by it.

    @tools.tool(effect="transactional", writes="account:{account}")
    def withdraw(context: Context, account: str, amount: int, lease: Held) -> int: ...

What a tool's contract leases (`leases="shared/printer:{name}"`) its plan takes, and each call carries the tokens: these are checked as well.

A call with a token below one that was seen for the resource fails with STALE_TOKEN, whatever its effect class, before an intent is written.
A transactional call raises the highest token that was seen in the transaction of its effect; for any other it is raised with its intent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import psycopg
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from motet.chassis.fencing import StaleToken, fence
from motet.chassis.identity import domain_key
from motet.records import FinishedCall, HeldLease, Invocation, Meta
from motet.tools.ending import not_run
from motet.tools.failure import ToolFailed

STALE_TOKEN: Final = "STALE_TOKEN"  # noqa: S105  an error's code
# What a row can hold.
PRINTABLE: Final = r"^[^\x00-\x1f]+$"
LARGEST: Final = 2**53 - 1


class Held(BaseModel):
    """A lease that the caller holds: one of its resources, its token, and its scope where that is not the plan's domain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resource: str = Field(max_length=300, pattern=PRINTABLE)
    token: int = Field(ge=1, le=LARGEST)
    scope: str | None = Field(default=None, max_length=200, pattern=PRINTABLE)


def check(connection: psycopg.Connection[Any], names: tuple[str, ...], call: Invocation, meta: Meta) -> None:
    """Fences a call by its plan's leases and those among its arguments, in the transaction that is open. Raises ToolFailed STALE_TOKEN."""
    own = ((one.scope, one.resource, one.token) for one in call.leases)
    given = ((one.scope or meta.domain, one.resource, one.token) for one in leases_of(names, call))
    for place, resource, token in (*own, *given):
        scope = domain_key(meta.tenant, place).decode()
        try:
            fence(connection, resource, token, scope)
        except StaleToken as error:
            raise ToolFailed(str(error), STALE_TOKEN) from error


def stale(
    connection: psycopg.Connection[Any], names: tuple[str, ...], call: Invocation, meta: Meta
) -> FinishedCall | None:
    """The end of a call outside the transaction whose lease is over, in the hop that would write its intent; None if it may run."""
    if call.mode == "RECONCILE":
        # Asked whether it happened, which it may have under a lease that is over since.
        return None
    try:
        check(connection, names, call, meta)
    except ToolFailed as error:
        return not_run(call, error.code, error.message)
    return None


def tokens_of(leases: tuple[HeldLease, ...]) -> dict[str, int]:
    """The tokens of a plan's leases by the leases' names, scope/resource."""
    return {f"{one.scope}/{one.resource}": one.token for one in leases}


def leases_of(names: tuple[str, ...], call: Invocation) -> Iterator[Held]:
    """The leases in a call's arguments. What is none the tool's own check of its arguments refuses."""
    if not names:
        return
    arguments = json.loads(call.arguments)
    for name in names:
        with suppress(ValidationError):
            yield Held.model_validate(arguments.get(name))
