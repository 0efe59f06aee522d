"""An event of a plan says of how it was decided what its plan's admission says."""

from __future__ import annotations

from motet.audit.course import Course
from motet.audit.rule import Rule
from motet.audit.stored import Stored
from motet.chassis import decided_by


class Decided(Rule):
    """An event names, beside its content, the strategy, rules, workflow and contracts that its plan was admitted by; an admission its code too."""

    name = "decided by"
    advice = (
        "the header is no part of the lane's digests: compare the record with a checkpoint, and find out who wrote it"
    )

    def take(self, record: Stored, course: Course, header: str) -> None:
        """An event of a plan, behind its admission. Nearly all say the very text that the last one said."""
        self.checked += 1
        code, plan = decided_by.parted(header)
        if record.kind == "PlanAdmitted":
            admitted = str(record.data["code_version"])
            if code != decided_by.quoted(admitted):
                self.wrong(record, f"its header says code {code!r}, and its content {admitted!r}")
        if plan != (course.under or text_of(course)):
            self.compare(record, course, plan)

    def compare(self, record: Stored, course: Course, plan: str) -> None:
        """What is said otherwise. An older host does not know all of it, and what was not admitted has no contracts: what is left out is no word."""
        due = decided_by.read(course.under)
        for name, value in decided_by.read(plan).items():
            # An admission by older rules does not say which.
            known = due.get(name, value if name == "rules" else "")
            if value != known:
                self.wrong(
                    record, f"its header says {name} {value!r}, and its plan was admitted with {known or 'none'!r}"
                )


def text_of(course: Course) -> str:
    """What the events of a plan are to say."""
    contracts = {(call["tool"], call["contract_version"]) for call in course.calls}
    course.under = decided_by.told(*course.terms, tuple(f"{tool}@{version}" for tool, version in sorted(contracts)))
    return course.under
