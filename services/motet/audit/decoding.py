"""Every record decodes by its schema, and is of a type that its topic is for."""

from __future__ import annotations

from motet.audit.rule import Found, Rule
from motet.audit.stored import Stored
from motet.audit.topics import Kept


class Decoding(Rule):
    """Every record decodes by its schema to the last byte; at a door, what does not is answered by a dead letter."""

    name = "decodes"
    advice = "find out who wrote it: `motet dead-letters` has what services said of it"

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        # What stands at a door and waits for a dead letter that says so, by place.
        self.bad: dict[str, tuple[Stored, str]] = {}
        self.buried: set[str] = set()

    def undecodable(self, record: Stored, said: str, *, door: bool) -> None:
        """A value that is no record."""
        self.checked += 1
        if not door:
            self.wrong(record, said)
        elif record.where not in self.buried:
            self.bad[record.where] = record, said

    def fits(self, record: Stored, full_name: str, kept: Kept) -> bool:
        """Whether a record is of a type of its topic."""
        if full_name in kept.records:
            return True
        said = f"a {full_name} is none of the records of {record.topic}"
        if not kept.door:
            self.wrong(record, said)
        elif record.where not in self.buried:
            self.bad[record.where] = record, said
        return False

    def bury(self, where: str) -> None:
        """A dead letter has a record whole."""
        if self.bad.pop(where, None) is None:
            self.buried.add(where)

    def end(self) -> None:
        """What nobody said anything about."""
        for record, said in self.bad.values():
            if record.timestamp_ms > self.since:
                self.wrong(record, f"{said}; and no dead letter has it")
