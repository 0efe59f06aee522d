"""What a plan's terminal event says is what was committed, and digests and keys are those of what they are for."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from motet.audit.course import Course
from motet.audit.rule import Hears, Rule
from motet.audit.stored import Stored
from motet.chassis.canonical import compact, sha256_text


class History(Rule):
    """Results have the digests that stand beside them, keys are derived from what they are for, and the end repeats the history."""

    name = "history"
    advice = "this record is not what was decided: compare with a copy of the topic, or with signed checkpoints"

    def hears(self) -> Hears:
        """Admissions, places in the history and ends."""
        return {"PlanAdmitted": self.admitted, "CallsCommitted": self.committed, "PlanEnded": self.ended}

    def admitted(self, record: Stored) -> None:
        """The arguments of calls have the digests beside them."""
        self.checked += 1
        for index, call in enumerate(record.data["calls"]):
            if sha256_text(call["arguments"]) != call["arguments_sha256"]:
                self.wrong(
                    record, f"the arguments of call {index} of plan {record.plan_id} do not have the digest beside them"
                )
                return

    def committed(self, record: Stored) -> None:
        """Calls took their places."""
        self.checked += 1
        course = record.course
        owner = framed_once(record.meta["tenant"]) + framed_once(record.plan_id)
        for call in record.data["calls"]:
            result = call["result"]
            if (None if result is None else sha256_text(result)) != call["result_sha256"]:
                self.wrong(
                    record,
                    f"the result of call {call['index']} of plan {record.plan_id} does not have the digest beside it",
                )
                return
            arguments = call["arguments_sha256"]
            if course is None or not call["key"] or arguments is None or call["index"] >= len(course.calls):
                continue
            head = course.calls[call["index"]]
            words = owner + framed(str(call["index"])) + framed(head["tool"]) + framed(str(head["contract_version"]))
            key = hashlib.sha256(words + framed_once(arguments)).hexdigest()[:32]
            if key != call["key"]:
                said = f"call {call['index']} of plan {record.plan_id} has the key {call['key']}, and what it is for makes {key}"
                self.wrong(record, said)
                return

    def ended(self, record: Stored) -> None:
        """The terminal event."""
        self.checked += 1
        course = record.course
        if course is None or len(course.committed) != len(course.calls):
            return
        results = record.data["results"]
        history = []
        for index, head in enumerate(course.calls):
            _, call, _ = course.committed[index]
            if index >= len(results) or not self.same(record, course, index, results[index], call):
                return
            error = call["error"]
            history.append(
                [
                    *(head["call_id"], head["tool"], head["contract_version"]),
                    call["arguments_sha256"] or head["arguments_sha256"],
                    *(call["outcome"], call["result_sha256"]),
                    None if error is None else [error["code"], error["message"]],
                ]
            )
        found = sha256_text(compact(history))
        if found != record.data["history_sha256"]:
            said = f"plan {record.plan_id} ends with the history {record.data['history_sha256']}, and what was committed makes {found}"
            self.wrong(record, said)

    def same(self, record: Stored, course: Course, index: int, result: dict[str, Any], call: dict[str, Any]) -> bool:
        """Whether a result is what was committed."""
        inline = result["result"]
        whole = inline is None or inline == call["result"]
        if whole and (result["outcome"], result["result_sha256"], result["error"]) == (
            *(call["outcome"], call["result_sha256"], call["error"]),
        ):
            return True
        name = f"call {index} of plan {course.plan_id}"
        self.wrong(
            record,
            f"{name} ends as {result['outcome']} {inline}, and it was committed as {call['outcome']} {call['result']}",
        )
        return False


def framed_once(text: str) -> bytes:
    """A part of a digest with its length before it (`canonical.digest`, which this is written out from for its speed)."""
    data = text.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(8, "big") + data


# Tools, versions and indexes come again and again.
framed = lru_cache(maxsize=10_000)(framed_once)
