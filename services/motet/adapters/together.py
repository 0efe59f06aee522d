"""For frameworks that call tools one by one: the calls of one answer find each other, and are one plan."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from motet.adapters.turn import Answered, Asked, Turns, key_of


@dataclass(slots=True)
class Open:
    """A turn that runs, and how many of its calls were not told their end yet."""

    task: asyncio.Task[list[Answered]]
    untold: int


class Together:
    """The turns that run at the moment; for one event loop."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.open: dict[str, Open] = {}

    async def answer(self, call_id: str, asked: Sequence[Asked], *conversation: str) -> Answered:
        """The answer to one call of a turn. Whoever comes first submits the whole turn, the others wait for the same plan.

        A call that is cancelled leaves the plan, which goes on for the others. Raises PlanTimeout, SubmitFailed.
        """
        key = key_of(conversation, asked)
        turn = self.open.get(key)
        if turn is None:
            task = asyncio.ensure_future(self.turns.run_async(asked, *conversation))
            turn = self.open[key] = Open(task, len(asked))
        try:
            answers = await asyncio.shield(turn.task)
        finally:
            turn.untold -= 1
            if not turn.untold:
                self.open.pop(key, None)
        return next(one for one in answers if one.id == call_id)
