"""For frameworks that call tools one by one: the calls of one answer find each other, and are one plan."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from motet.adapters.turn import Answered, Asked, Turns, key_of


class Together:
    """The turns that run at the moment."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        # By event loop and key: one that ended is asked for again, under its key, and answered from the log.
        self.open: dict[tuple[int, str], asyncio.Task[list[Answered]]] = {}

    async def answer(self, call_id: str, asked: Sequence[Asked], *conversation: str) -> Answered:
        """The answer to one call of a turn. Whoever comes first submits the whole turn, the others wait for the same plan.

        A call that is cancelled leaves the plan, which goes on for the others. Raises PlanTimeout, SubmitFailed, TurnRefused.
        """
        place = id(asyncio.get_running_loop()), key_of(conversation, asked)
        task = self.open.get(place)
        if task is None:
            task = self.open[place] = asyncio.ensure_future(self.turns.run_async(asked, *conversation))
            task.add_done_callback(partial(self.ended, place))
        answers = await asyncio.shield(task)
        return next(one for one in answers if one.id == call_id)

    def ended(self, place: tuple[int, str], task: asyncio.Task[list[Answered]]) -> None:
        """Forgets a turn; what it raised was told whoever waits for it."""
        self.open.pop(place, None)
        if not task.cancelled():
            task.exception()
