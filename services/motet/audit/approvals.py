"""Approvals match arguments."""

from __future__ import annotations

from typing import Final

from motet.audit.course import Course
from motet.audit.rule import Found, Rule
from motet.audit.stored import Stored
from motet.chassis.canonical import sha256_text

DECISIONS: Final = {"APPROVED": "ApproveCall", "DENIED": "DenyCall"}


class Approvals(Rule):
    """An approval is what a person commanded, about the arguments that were asked about and that then run."""

    name = "approvals"
    advice = "stop the plan (`motet cancel`): something runs, or is to run, that nobody approved in this form"

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        # Decisions whose command is still to come in the order of reading.
        self.waiting: dict[str, Stored] = {}

    def decided(self, record: Stored, command: Stored | None) -> None:
        """A decision, and the command that its cause names."""
        self.checked += 1
        data, course = record.data, record.course
        if course is not None and course.asked.get(data["index"]) != data["arguments_sha256"]:
            asked = course.asked.get(data["index"], "nothing")
            self.wrong(
                record,
                f"call {data['index']} of plan {record.plan_id}: {data['decision']} for arguments {data['arguments_sha256']}, and asked was "
                f"{asked}",
            )
        elif data["decision"] in DECISIONS:
            if command is None:
                self.waiting[record.cause] = record
            else:
                self.compare(record, command)

    def compare(self, record: Stored, command: Stored) -> None:
        """Whether a decision is what was commanded."""
        data, said, course = record.data, command.data, record.course
        index = data["index"]
        call = (
            course.calls[index]["call_id"] if course is not None and index < len(course.calls) else said.get("call_id")
        )
        expected = (DECISIONS[data["decision"]], record.plan_id, call, data["arguments_sha256"], record.meta["tenant"])
        given = (
            command.kind,
            said.get("plan_id"),
            said.get("call_id"),
            said.get("arguments_sha256"),
            said.get("tenant"),
        )
        if given != expected:
            shown = ", ".join(f"{one!r}" for one in given if one is not None)
            self.wrong(
                record,
                f"{data['decision']} of call {index} of plan {record.plan_id} is not what {command.where} commands: {shown}",
            )

    def commanded(self, command: Stored) -> None:
        """A command that a decision named before it was read."""
        record = self.waiting.pop(command.where, None)
        if record is not None:
            self.compare(record, command)

    def ran(self, record: Stored) -> None:
        """Calls are sent to run: those that need an approval are looked at once their plan is over."""
        course = record.course
        if course is None:
            return
        for call in record.data["calls"]:
            index = call["index"]
            if index < len(course.calls) and course.calls[index]["approval"]:
                course.guarded.append((record, index, sha256_text(call["arguments"])))

    def close(self, course: Course) -> None:
        """A plan is over: what needed an approval ran with one, for these arguments."""
        for record, index, arguments in course.guarded:
            self.checked += 1
            approved = course.approved.get(index)
            if approved != arguments:
                name = f"call {index} of plan {record.plan_id}"
                self.wrong(
                    record, f"{name} is sent to run with arguments {arguments}, and approved is {approved or 'nothing'}"
                )

    def end(self) -> None:
        """Decisions whose command is not there."""
        for record in (one for one in self.waiting.values() if one.timestamp_ms > self.since):
            data = record.data
            said = f"{data['decision']} of call {data['index']} of plan {record.plan_id} names {record.cause}, where no such command is"
            self.wrong(record, said)
