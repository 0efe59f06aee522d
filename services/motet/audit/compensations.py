"""What succeeded is undone in reverse order, one call at a time."""

from __future__ import annotations

from motet.audit.course import Course
from motet.audit.rule import Hears, Rule
from motet.audit.stored import Stored


class Compensations(Rule):
    """Of a plan that is undone, the call that was committed last is undone first, and each once, one at a time."""

    name = "compensations"
    advice = "see what state the plan's resources are in: something was undone before what came after it"

    def hears(self) -> Hears:
        """Starts of compensations."""
        return {"CompensationStarted": self.started}

    def started(self, record: Stored) -> None:
        """A compensation starts, or starts again."""
        self.checked += 1
        if record.course is not None:
            index = record.data["index"]
            fault = self.fault(record.course, index)
            if fault:
                self.wrong(record, f"the compensation of call {index} of plan {record.plan_id} starts{fault}")

    def fault(self, course: Course, index: int) -> str:
        """What is wrong with undoing a call now; empty if nothing is."""
        if index in course.undone or index in course.skipped:
            return ", and the call was undone before"
        if course.undoing is not None and course.undoing != index:
            return f" while that of call {course.undoing} goes on"
        if index not in course.committed:
            return ", and the call has no place in the history"
        place = course.committed[index][0]
        for other in course.undone:
            if place > course.committed[other][0] and index not in course.late:
                return f" after that of call {other}, which was committed before it"
        return self.left(course, place) if course.compensates else ""

    def left(self, course: Course, place: int) -> str:
        """Whether something that was committed behind a place is still to be undone."""
        done = {*course.undone, *course.skipped, *course.late}
        for other, (at, call, _) in course.committed.items():
            if (
                at > place
                and call["outcome"] == "SUCCEEDED"
                and other not in done
                and course.calls[other]["effect"] != "PURE"
            ):
                return f", and call {other}, which was committed after it, is not undone"
        return ""
