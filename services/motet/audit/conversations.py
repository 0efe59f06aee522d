"""P1, for agents: a conversation begins once, is decided about step by step, and ends once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from motet.audit.rule import Found, Hears, Rule
from motet.audit.stored import Stored

# Conversations that are over are remembered, to find what is said behind their end.
ENDED: Final = 10_000

Place = tuple[bytes, str, str]


class Conversations(Rule):
    """An agent's decisions about a conversation are numbered 1, 2, 3 … from its first message on, and nothing is heard or decided behind its end."""

    name = "conversations"
    advice = "`motet agents show` has the conversation; one of these was repeated, deleted or written by somebody else"

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        self.open: dict[Place, tuple[int, str]] = {}
        self.ended: OrderedDict[Place, str] = OrderedDict()

    def hears(self) -> Hears:
        """Messages that were taken, and decisions."""
        return {"MessageTaken": self.taken, "AgentStepped": self.stepped}

    def taken(self, record: Stored) -> None:
        """A message is taken."""
        self.checked += 1
        place = self.place_of(record)
        if self.is_over(record, place, "is told something"):
            return
        known = self.open.get(place)
        if record.data["begins"]:
            if known is not None:
                self.wrong(record, f"{said(place)} begins again, and it began at {known[1]} and has no end")
            self.open[place] = 0, record.where
        elif known is None and not self.since:
            self.wrong(record, f"{said(place)} goes on, and it never began")

    def stepped(self, record: Stored) -> None:
        """Something is decided."""
        self.checked += 1
        place = self.place_of(record)
        if self.is_over(record, place, "is decided about"):
            return
        step = record.data["step"]
        known = self.open.get(place)
        if known is None and not self.since:
            self.wrong(record, f"{said(place)} is decided about, and it never began")
        elif known is not None and step != known[0] + 1:
            self.wrong(record, f"{said(place)} has step {step} behind step {known[0]}")
        if record.data["outcome"] == "GOES_ON":
            self.open[place] = step, record.where
            return
        self.open.pop(place, None)
        self.ended[place] = record.where
        if len(self.ended) > ENDED:
            self.ended.popitem(last=False)

    def is_over(self, record: Stored, place: Place, what: str) -> bool:
        """Whether a conversation is over, and a record says something of it all the same."""
        end = self.ended.get(place)
        if end is not None:
            self.wrong(record, f"{said(place)} {what} behind its end at {end}")
        return end is not None

    @staticmethod
    def place_of(record: Stored) -> Place:
        """Whose conversation it is."""
        return record.key, record.data["agent"], record.data["conversation"]


def said(place: Place) -> str:
    """A conversation in words."""
    return f"conversation {place[2]!r} of {place[1]} in {place[0].decode(errors='replace')}"
