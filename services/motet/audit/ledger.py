"""The ledgers of tool services beside the log: what a service keeps of an effect is what it reported, and nothing is in one alone.

A ledger is the table `answer` of a tool service: results by effect key, kept for a tool's window. It is read after the end of what is judged was
asked, so a report that is judged was in its ledger before; what came into a ledger meanwhile is reported behind that end, and looked for there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Protocol

from motet.audit.rule import Found, Hears, Rule
from motet.audit.stored import Stored

DIGEST_BYTES: Final = 16
MILLISECONDS: Final = 1_000
# A report is looked for in its ledger while so much of its tool's window is left: what is older may be deleted at any moment.
LEFT: Final = 0.5
# An attempt waits and runs for so many times its limit at most.
ATTEMPT: Final = 2
PURE: Final = "PURE"
REPORTS: Final = frozenset({"motet.results", "motet.results.agents"})

# Digests of results by effect key.
Kept = Mapping[str, bytes]


class Ledgers(Protocol):
    """Where ledgers are read: `motet.audit.ledger_tables`."""

    def rows(self, number: int) -> tuple[Mapping[str, Kept], int]:
        """The ledgers of a partition number by service, hyphens in its name as underscores, and the time at which they were read in milliseconds since 1970."""

    def outboxes(self, number: int) -> Iterator[bytes]:
        """Reports that are still in an outbox, or were lately: what was decided and nobody may have published yet."""


def digest_of(result: str) -> bytes:
    """What stands for a result."""
    return sha256(result.encode()).digest()[:DIGEST_BYTES]


@dataclass(slots=True)
class Row:
    """What a ledger has under a key, and what was reported."""

    service: str
    digest: bytes
    reported: bool = False
    # The last report with another result.
    other: Stored | None = None


class Ledger(Rule):
    """What a tool service keeps of an effect is what it reported of it in the log, and neither has one that the other lacks."""

    name = "ledgers"
    advice = "compare the tool service's table `answer` with the record: one of the two was changed, or a database was put back to an earlier time"

    def __init__(self, found: Found, ledgers: Mapping[str, Kept], read_at_ms: int) -> None:
        super().__init__(found)
        self.read_at_ms = read_at_ms
        self.services = set(ledgers)
        self.rows = {key: Row(service, digest) for service, kept in ledgers.items() for key, digest in kept.items()}
        # How long after a report its result is kept at least: a window begins with the invocation.
        self.windows: dict[tuple[str, int], float] = {}
        self.last: Stored | None = None
        # Whether the log lacks its beginning, and reports may be there.
        self.partial = False

    def hears(self) -> Hears:
        """Contracts say how long a ledger keeps. Reports it is told of itself, also those of plans that nobody follows any more."""
        return {"ToolContract": self.contract}

    def contract(self, record: Stored) -> None:
        """How long results of a tool are kept."""
        data = record.data
        seconds = data["window_seconds"] - ATTEMPT * data["timeout_seconds"]
        self.windows[data["name"], data["version"]] = seconds * MILLISECONDS

    def report(self, record: Stored) -> None:
        """A tool service says how calls ended."""
        self.last = record
        for call in record.data["calls"]:
            if call["outcome"] == "SUCCEEDED" and call["result"] is not None:
                self.checked += 1
                self.compare(record, call)

    def compare(self, record: Stored, call: Mapping[str, Any]) -> None:
        """One effect."""
        row = self.rows.get(call["key"])
        if row is None:
            if record.course is not None and self.must_be_there(record, call["index"]):
                said = f"{record.service} reported the effect of call {call['index']} of plan {record.plan_id}, and its ledger has none under {call['key']}"
                self.wrong(record, said)
        elif row.digest == digest_of(call["result"]):
            row.reported, row.other = True, None
        elif not row.reported:
            row.other = record

    def must_be_there(self, record: Stored, index: int) -> bool:
        """Whether a ledger that was read would have a result: it is kept, and nowhere near the end of its window."""
        calls = record.course.calls if record.course is not None else ()
        if (
            record.service.replace("-", "_") not in self.services
            or index >= len(calls)
            or calls[index]["effect"] == PURE
        ):
            return False
        window = self.windows.get((calls[index]["tool"], calls[index]["contract_version"]), 0.0)
        age: float = self.read_at_ms - record.meta["recorded_at"]
        return age < window * (1 - LEFT)

    @property
    def unreported(self) -> dict[str, Row]:
        """What the ledgers have and nobody reported, up to here."""
        return {key: row for key, row in self.rows.items() if not row.reported}

    def late(self, data: Mapping[str, Any]) -> None:
        """A report behind the end of what is judged."""
        for call in data.get("calls", ()):
            row = self.rows.get(call.get("key"))
            if row is not None and call.get("result") is not None and row.digest == digest_of(call["result"]):
                row.reported = True

    def settle(self) -> None:
        """Nothing more is reported."""
        for key, row in self.unreported.items():
            if row.other is not None:
                self.wrong(row.other, f"{row.service} reported another result under {key} than its ledger has")
            elif self.last is not None and not self.partial:
                said = (
                    f"the ledger of {row.service} has an effect under {key}, and up to here nothing in the log says so"
                )
                self.wrong(self.last, said)
