"""P1, for plans: an admitted plan ends once, with all of its calls."""

from __future__ import annotations

from motet.audit.rule import Hears, Rule
from motet.audit.stored import Stored


class Ends(Rule):
    """A plan ends at most once after it was admitted, with every call committed once; nothing is committed behind its end."""

    name = "one end"
    advice = "`motet plan` shows the plan's events; one of these was repeated, deleted or written by somebody else"

    # Whether the log lacks its beginning, and admissions may be there.
    partial = False

    def hears(self) -> Hears:
        """Admissions, ends, and places in the history."""
        return {"PlanAdmitted": self.admitted, "PlanEnded": self.ended, "CallsCommitted": self.committed}

    def admitted(self, record: Stored) -> None:
        """A plan begins."""
        self.checked += 1
        course = record.course
        if course is not None and course.ended is None:
            self.wrong(
                record,
                f"plan {record.plan_id} is admitted again, and it was admitted at {course.admitted.where} and has no end",
            )

    def committed(self, record: Stored) -> None:
        """Calls take their places."""
        self.checked += 1
        course = record.course
        if course is None:
            if self.partial:
                return
            self.wrong(record, f"calls of plan {record.plan_id} are committed, and it was not admitted")
            return
        if course.ended is not None:
            self.wrong(record, f"calls of plan {record.plan_id} are committed after its end at {course.ended.where}")
            return
        for call in record.data["calls"]:
            index = call["index"]
            if index in course.committed:
                before = course.committed[index][2].where
                self.wrong(
                    record, f"call {index} of plan {record.plan_id} is committed twice; the first time at {before}"
                )
            elif not 0 <= index < len(course.calls):
                self.wrong(
                    record,
                    f"call {index} of plan {record.plan_id} is committed; the plan has {len(course.calls)} calls",
                )

    def ended(self, record: Stored) -> None:
        """A plan ends."""
        self.checked += 1
        course = record.course
        if course is None and self.partial:
            return
        if course is None:
            self.wrong(
                record,
                f"plan {record.plan_id} ends, and no admission before it has no end: a second end, or no plan of ours",
            )
        elif course.ended is not None:
            self.wrong(record, f"plan {record.plan_id} ends twice; the first time at {course.ended.where}")
        elif len(course.committed) != len(course.calls):
            done = f"{len(course.committed)} of its {len(course.calls)} calls are committed"
            self.wrong(record, f"plan {record.plan_id} ends, and {done}")
