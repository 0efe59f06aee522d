"""Intents: the calls that may have begun outside the transaction and are not answered yet, one row each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from motet.chassis.service import Opening
from motet.records import Invocation, InvokeCalls
from motet.tools.running import Running
from motet.tools.tool import Tool

TOKEN_BITS: Final = 16


@dataclass(slots=True)
class Work:
    """One attempt outside the transaction. `deadline_at` is in milliseconds since 1970; until then it is its owner's."""

    source: InvokeCalls
    call: Invocation
    tool: Tool
    token: int
    deadline_at: int
    value: bytes
    received_at: int
    running: Running | None = None
    # Given up by the host, its thread abandoned; told to stop; what it said last and whether that was passed on.
    given_up: bool = False
    stopped: bool = False
    progress: str | None = None
    said_at: float = 0.0
    begun: bool = field(default=False)

    @property
    def place(self) -> tuple[str, int]:
        """Plan and call."""
        return (self.source.plan_id, self.call.index)


@dataclass(frozen=True, slots=True)
class Left:
    """An intent that a former owner left."""

    source: InvokeCalls
    call: Invocation
    owner: int
    deadline_at: int
    value: bytes


def token_of(epoch: int, attempt: int) -> int:
    """A fencing token: it grows with each owner of the shard, and with each attempt of a call."""
    return epoch << TOKEN_BITS | attempt


def left(opening: Opening) -> list[Left]:
    """The intents that are there when a shard is opened."""
    rows = opening.connection.execute(
        "SELECT index, attempt, owner, deadline_at, invocation FROM intent WHERE partition = %s ORDER BY plan_id, index",
        (opening.partition,),
    ).fetchall()
    out = []
    for index, attempt, owner, deadline_at, packed in rows:
        source = opening.decode(packed)
        out += [
            Left(source, call, owner, deadline_at, packed)
            for call in source.calls
            if call.index == index and call.attempt == attempt
        ]
    return out


def write(opening: Opening, works: Sequence[Work]) -> None:
    """One row an attempt; a further attempt of a call takes the place of the one before."""
    if works:
        opening.connection.execute(
            "INSERT INTO intent (partition, plan_id, index, key, invocation, attempt, owner, token, deadline_at) "
            "SELECT %s, p, i, k, v, a, %s, t, d FROM unnest(%s::text[], %s::int[], %s::text[], %s::bytea[], %s::int[], %s::bigint[], "
            "%s::bigint[]) AS w (p, i, k, v, a, t, d) ON CONFLICT (partition, plan_id, index) DO UPDATE SET invocation = excluded.invocation, "
            "attempt = excluded.attempt, owner = excluded.owner, token = excluded.token, deadline_at = excluded.deadline_at",
            (
                opening.partition,
                opening.replica,
                [work.source.plan_id for work in works],
                [work.call.index for work in works],
                [work.call.key for work in works],
                [work.value for work in works],
                [work.call.attempt for work in works],
                [work.token for work in works],
                [work.deadline_at for work in works],
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


def prolong(opening: Opening, works: Sequence[Work]) -> None:
    """Writes the deadlines of attempts that said that they are alive."""
    rows: list[list[Any]] = [[*work.place, work.deadline_at] for work in works]
    if rows:
        opening.connection.execute(
            "UPDATE intent SET deadline_at = (r ->> 2)::bigint FROM json_array_elements(%s::json) AS r "
            "WHERE partition = %s AND plan_id = r ->> 0 AND index = (r ->> 1)::int",
            (json.dumps(rows), opening.partition),
        )
