"""Nothing of a plan starts after its barrier."""

from __future__ import annotations

from motet.audit.rule import Hears, Rule
from motet.audit.stored import Stored


class Barriers(Rule):
    """Once a plan was cancelled, failed fast, decided or out of time, no call of it starts; only what undoes it may."""

    name = "barriers"
    advice = "a call ran that was to be stopped: see what it did, and undo it if need be"

    def hears(self) -> Hears:
        """Starts, sent calls, and barriers."""
        return {"CallsStarted": self.started, "InvokeCalls": self.invoked, "BarrierRaised": self.raised}

    def started(self, record: Stored) -> None:
        """Calls start."""
        self.checked += 1
        course = record.course
        if course is not None and course.barrier is not None:
            indexes = record.data["indexes"]
            self.wrong(
                record, f"calls {indexes} of plan {record.plan_id} start after its barrier at {course.barrier.where}"
            )

    def invoked(self, record: Stored) -> None:
        """Calls are sent. One shard decides both, so that their hybrid clocks say which was first."""
        course = record.course
        if course is None or course.barrier is None or record.hlc < course.barrier.hlc:
            return
        runs = [
            call["index"]
            for call in record.data["calls"]
            if call["mode"] == "RUN" and call["index"] < len(course.calls)
        ]
        if runs:
            self.wrong(
                record,
                f"calls {runs} of plan {record.plan_id} are sent to run after its barrier at {course.barrier.where}",
            )

    def raised(self, record: Stored) -> None:
        """A barrier."""
        self.checked += 1
        course = record.course
        if course is None:
            return
        if course.barrier is not None:
            self.wrong(record, f"plan {record.plan_id} has two barriers; the first is at {course.barrier.where}")
        elif course.last_run is not None and course.last_run.hlc > record.hlc:
            self.wrong(
                course.last_run, f"calls of plan {record.plan_id} are sent to run after its barrier at {record.where}"
            )
