"""Faults that a rehearsal injects: what is to go wrong, at which call, in which attempt.

| what | what happens | what follows is the real host's answer |
|---|---|---|
| crash_before | the tool service's process dies when the call is about to act | by effect class: again, asked about, or in doubt |
| crash_after | it dies when the call has acted, before that is durable | as before; a transactional call is rolled back and runs again |
| lost_answer | the call has acted, and raises instead of returning | as for any exception: in doubt, asked about, or failed |
| times_out | the call has acted, and is given up because its time is over | a pure or transactional one runs again, others as before |
| fails | the attempt raises TryAgain and does nothing | tried again, as often as the contract says |
| twice | Kafka delivers the call's records twice | lanes drop the second one |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from motet.chassis.errors import ConfigurationError
from motet.records import Invocation

What = Literal["crash_before", "crash_after", "lost_answer", "times_out", "fails", "twice"]
WHATS: Final[tuple[str, ...]] = get_args(What)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, once a call: at calls of a `tool` (its full name), or of a name (`call_id`), or of both.

    `attempt` is the number that the tool reads in its context. Raises ConfigurationError for a fault that could hit nothing.
    """

    tool: str | None = None
    call_id: str | None = None
    attempt: int = 1
    what: What = "crash_after"

    def __post_init__(self) -> None:
        """Checks the words."""
        if self.what not in WHATS:
            raise ConfigurationError(f"a fault is {', '.join(WHATS)}, not {self.what!r}")
        if self.tool is None and self.call_id is None:
            raise ConfigurationError(f'a fault {self.what!r} names a tool ("bank.pay"), a call (call_id="c0"), or both')
        if self.attempt < 1:
            raise ConfigurationError(f"attempts are counted from 1, and the fault is for attempt {self.attempt}")

    def hits(self, call: Invocation) -> bool:
        """Whether it is meant for an attempt. One that only asks about a former attempt is none of the tool's."""
        return (
            call.mode == "RUN"
            and call.attempt == self.attempt
            and self.tool in (None, call.tool)
            and self.call_id in (None, call.call_id)
        )


class Faults:
    """The faults of a rehearsal, each once a call: a crash must not happen again when its call does."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        self.spent: set[tuple[int, str]] = set()

    def due(self, call: Invocation | None, what: What) -> bool:
        """Whether something goes wrong with an attempt here and now; then it does not again."""
        if call is None:
            return False
        for number, fault in enumerate(self.faults):
            place = (number, call.key)
            if fault.what == what and place not in self.spent and fault.hits(call):
                self.spent.add(place)
                return True
        return False

    @property
    def unused(self) -> tuple[Fault, ...]:
        """Faults that hit no call."""
        hit = {number for number, _ in self.spent}
        return tuple(fault for number, fault in enumerate(self.faults) if number not in hit)
