"""Intents: the calls that may have begun outside the transaction and are not answered yet, one row each.

Until its deadline an intent is its owner's. Deadlines are written and read by PostgreSQL's clock, which all owners share: what the clocks
of their machines say does not matter. Recovery writes intents of invocations that are still to be read: whoever told their end before that would
find no trace of it when they come, and run them again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from motet.chassis.service import Opening
from motet.records import Invocation, InvokeCalls
from motet.tools.work import Work

TOKEN_BITS: Final = 16
NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"


@dataclass(frozen=True, slots=True)
class Left:
    """An intent that is there when a shard is opened; `milliseconds` are left until its deadline, 0 or less beyond it.

    Nobody acts on an `unread` one: its invocation is still to be read.
    """

    source: InvokeCalls
    call: Invocation
    owner: int
    token: int
    milliseconds: int
    value: bytes
    stopped: bool = False
    unread: bool = False

    @property
    def place(self) -> tuple[str, int]:
        """Plan and call."""
        return (self.source.plan_id, self.call.index)


def token_of(epoch: int, attempt: int) -> int:
    """A fencing token: it grows with each owner of the shard, and with each attempt of a call."""
    return (epoch << TOKEN_BITS) + attempt


def left(opening: Opening) -> list[Left]:
    """The intents that are there when a shard is opened."""
    rows = opening.connection.execute(
        f"SELECT index, attempt, owner, token, deadline_at - {NOW}, invocation, stopped, unread FROM intent "
        "WHERE partition = %s ORDER BY plan_id, index".encode(),
        (opening.partition,),
    ).fetchall()
    out = []
    for index, attempt, owner, token, milliseconds, packed, stopped, unread in rows:
        source = opening.decode(packed)
        out += [
            Left(source, call, owner, token, milliseconds, packed, stopped, unread)
            for call in source.calls
            if call.index == index and call.attempt == attempt
        ]
    return out


def write(opening: Opening, works: Sequence[Work]) -> None:
    """One row an attempt; a further attempt of a call takes the place of the one before."""
    if works:
        opening.connection.execute(
            "INSERT INTO intent (partition, plan_id, index, key, invocation, attempt, owner, token, deadline_at) "
            f"SELECT %s, p, i, k, v, a, %s, t, {NOW} + d FROM unnest(%s::text[], %s::int[], %s::text[], %s::bytea[], %s::int[], "
            "%s::bigint[], %s::bigint[]) AS w (p, i, k, v, a, t, d) ON CONFLICT (partition, plan_id, index) DO UPDATE "
            "SET invocation = excluded.invocation, attempt = excluded.attempt, owner = excluded.owner, token = excluded.token, "
            "deadline_at = excluded.deadline_at, stopped = false, unread = false".encode(),
            (
                opening.partition,
                opening.replica,
                [work.source.plan_id for work in works],
                [work.call.index for work in works],
                [work.call.key for work in works],
                [work.value for work in works],
                [work.call.attempt for work in works],
                [work.token for work in works],
                [work.lease_milliseconds for work in works],
            ),
        )


def remove(opening: Opening, places: Iterable[tuple[str, int, int]]) -> None:
    """Deletes the rows of attempts that are answered: plan, call and attempt."""
    rows = [list(place) for place in places]
    if rows:
        opening.connection.execute(
            "DELETE FROM intent USING json_array_elements(%s::json) AS r WHERE partition = %s AND plan_id = r ->> 0 "
            "AND index = (r ->> 1)::int AND attempt = (r ->> 2)::int",
            (json.dumps(rows), opening.partition),
        )


def stop(opening: Opening, places: Iterable[tuple[str, int, int]]) -> None:
    """Nobody wants these attempts any more, which their next owner has to know as well: plan, call and attempt."""
    rows = [list(place) for place in places]
    if rows:
        opening.connection.execute(
            "UPDATE intent SET stopped = true FROM json_array_elements(%s::json) AS r WHERE partition = %s AND plan_id = r ->> 0 "
            "AND index = (r ->> 1)::int AND attempt = (r ->> 2)::int",
            (json.dumps(rows), opening.partition),
        )


def prolong(opening: Opening, works: Sequence[Work]) -> None:
    """Writes the deadlines of attempts that said that they are alive."""
    rows: list[list[Any]] = [[*work.place, work.lease_milliseconds] for work in works]
    if rows:
        opening.connection.execute(
            f"UPDATE intent SET deadline_at = {NOW} + (r ->> 2)::bigint FROM json_array_elements(%s::json) AS r "
            "WHERE partition = %s AND plan_id = r ->> 0 AND index = (r ->> 1)::int".encode(),
            (json.dumps(rows), opening.partition),
        )


def read(opening: Opening, place: tuple[str, int]) -> None:
    """The invocation of what recovery left was read."""
    opening.connection.execute(
        "UPDATE intent SET unread = false WHERE partition = %s AND plan_id = %s AND index = %s",
        (opening.partition, *place),
    )
