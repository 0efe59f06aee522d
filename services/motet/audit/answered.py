"""P1, for commands: each is answered once."""

from __future__ import annotations

from typing import Final

from motet.audit.rule import Found, Rule
from motet.audit.stored import Stored
from motet.chassis.identity import partition_of

# What answers a plan that was submitted, or a message to an agent; of these there is one a command.
FIRST: Final = frozenset(
    {"PlanAdmitted", "PlanRejected", "CommandRepeated", "MessageTaken", "MessageRefused", "MessageRepeated"}
)
# Answered commands that are remembered, to find second answers.
KEPT: Final = 20_000


class Commands(Rule):
    """Each command at a door has an answer as soon as a later one has, and a plan that was submitted has one."""

    name = "answered"
    advice = "look for the command's answer with `motet events`; its service lost it, or the answer was deleted"

    def __init__(self, found: Found, partitions: int) -> None:
        super().__init__(found)
        self.partitions = partitions
        self.open: dict[str, Stored] = {}
        self.answers: dict[str, Stored] = {}
        self.older: dict[str, Stored] = {}
        # Up to which offset each host answered at each door.
        self.reached: dict[tuple[str, str], int] = {}
        self.parked: set[bytes] = set()
        self.early: set[str] = set()

    def asked(self, record: Stored) -> None:
        """A command."""
        self.checked += 1
        if partition_of(record.key, self.partitions) != record.partition:
            # It goes on to its own partition, and is answered there.
            return
        if record.where in self.early:
            self.early.discard(record.where)
        else:
            self.open[record.where] = record

    def answered(self, record: Stored) -> Stored | None:
        """An event whose cause is a place; the command there, if it is the first answer."""
        where = record.cause
        command = self.open.pop(where, None)
        if command is not None:
            place = (host_of(command), command.topic)
            self.reached[place] = max(self.reached.get(place, 0), command.offset)
        if record.kind in FIRST:
            before = self.answers.get(where) or self.older.get(where)
            if before is not None:
                self.wrong(
                    record,
                    f"command {where} is answered twice: {before.kind} at {before.where}, and {record.kind} here",
                )
            if len(self.answers) >= KEPT:
                self.older, self.answers = self.answers, {}
            self.answers[where] = record
        return command

    def buried(self, letter: Stored, where: str) -> None:
        """A dead letter answers too."""
        if letter.data["parked"] and letter.data["key"] is not None:
            self.parked.add(letter.data["key"])
        self.open.pop(where, None)

    def end(self) -> None:
        """Commands without an answer that later ones have."""
        for command in self.open.values():
            reached = self.reached.get((host_of(command), command.topic), 0)
            if self.since < command.timestamp_ms and command.offset < reached and command.key not in self.parked:
                self.wrong(
                    command,
                    f"{command.kind} {command.where} has no answer, and a later one at offset {reached} of its partition has",
                )


def host_of(command: Stored) -> str:
    """Which service answers a command: that of the plan's mode, which its id says; leases have one, and each agent the one of its door."""
    kind, data = command.kind, command.data
    if kind == "SendMessage":
        return command.topic.replace("motet.messages.", "agent-")
    if "plan_id" not in data and "lease_id" not in data and kind in ("AcquireLeases", "AskHolder"):
        return "leases"
    if "lease_id" in data:
        return "leases"
    if kind == "SubmitPlan":
        return "agents" if data["mode"] in ("CHOREOGRAPHED", "HYBRID") else "coordinator"
    if kind == "RepairDeadLetter":
        return "agents" if data["service"] == "agents" else "coordinator"
    return "agents" if data.get("plan_id", "").endswith(("-c", "-h")) else "coordinator"
