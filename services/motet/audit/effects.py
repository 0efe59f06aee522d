"""What a plan says that succeeded is what a tool service said, or a person found out."""

from __future__ import annotations

from motet.audit.course import Course
from motet.audit.rule import Rule


class Effects(Rule):
    """A call is committed as succeeded with the result that a tool service reported under its key, or that a person settled."""

    name = "results"
    advice = "compare with the tool service's own ledger: this result is not what it said"

    def close(self, course: Course) -> None:
        """A plan is over, and everything that was said of it is there."""
        for index, (_, call, record) in course.committed.items():
            if call["outcome"] != "SUCCEEDED":
                continue
            self.checked += 1
            if index in course.settled:
                continue
            key = call["key"]
            if key not in course.finished:
                said = f"call {index} of plan {course.plan_id} is committed as succeeded, and no tool service said so under its key {key}"
                self.wrong(record, said)
            elif course.finished[key] != call["result"]:
                said = f"call {index} of plan {course.plan_id} is committed with {call['result']}, and its tool brought {course.finished[key]}"
                self.wrong(record, said)
