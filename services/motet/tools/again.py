"""A tool service on rows and tables of its own, empty at first, for a replay: what its transactional tools do is done again, nothing else is.

Effects outside of the transaction belong to the world, and happened: how they ended the log says, at the place where it was said. So does it of
calls that were not run because of the time; all else is decided again, by today's code and on what it wrote in the replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from motet.chassis.service import Opening, Received, Service
from motet.chassis.settings import Settings
from motet.chassis.subject_keys import SubjectKeys
from motet.personal.sealing import Key, Sealer
from motet.records import CallsFinished, FinishedCall, Invocation, Record, ToolContract
from motet.tools import Contract, Toolset, intents
from motet.tools.answers import Answer
from motet.tools.disclosing import KEYS_UNAVAILABLE
from motet.tools.failure import STOPPED, TIMED_OUT
from motet.tools.held import STALE_TOKEN
from motet.tools.host import Host, declaration, prepare_tables, schemas_of
from motet.tools.inside import Inside
from motet.tools.outside import Ended, Outside
from motet.tools.work import Work
from motet.tools.workers import Workers

SUFFIX: Final = "_replay"
# What time decides of a call, or what was there then: its own time was over, or nobody wanted it any more; it ran for too long, beside whoever
# held a row; its token was compared with those of other shards; keys were away; its record killed the process.
BY_TIME: Final = frozenset({"TOO_LATE", STOPPED, TIMED_OUT, STALE_TOKEN, KEYS_UNAVAILABLE, "HANDLING_FAILED"})
# Rows that are no shard's own: each begins with what its own inputs say.
SHARED: Final = ("lease_fence", "resource_version")


def schema_again(toolset: str) -> str:
    """Where the toolset's own tables are made for a replay."""
    return f"{schemas_of(toolset)[0]}{SUFFIX}"


def service(toolset: Toolset, settings: Settings) -> Service:
    """The service of a toolset, to be run again. Creates its tables, which `schema_again` names; who replays drops them."""
    own = schema_again(toolset.name)
    prepare_tables(settings.postgres_url, own, toolset)
    usual = declaration(toolset, settings)
    keys = OldKeys(SubjectKeys(settings.keys_url))
    workers = Workers(1, f"replay-{toolset.name}")
    begun: set[int] = set()

    def start(opening: Opening) -> HostAgain:
        if opening.partition not in begun:
            begun.add(opening.partition)
            for table in SHARED:
                opening.connection.execute(f"DELETE FROM {table}".encode())
        outside = Told(toolset, opening, workers, keys, intents.left(opening))
        return HostAgain(toolset, opening, Inside(toolset, opening, keys), outside, settings.open_effects)

    path = f"SET search_path TO {usual.schema}{SUFFIX}, {own}"
    return replace(usual, open=start, options=(path, *usual.options[1:]), measured=measured)


def measured(today: Record, was: Record) -> Record:
    """How long attempts took, by which code, and which records the shard's clock had heard of before: not decided, and the same as it was.

    Which records a batch had nobody wrote down, for one topic has one order; the hybrid clock knows all of them.
    """
    if not isinstance(today, CallsFinished | ToolContract) or not isinstance(was, CallsFinished | ToolContract):
        return today
    meta = replace(today.meta, hlc=was.meta.hlc)
    if not isinstance(today, CallsFinished) or not isinstance(was, CallsFinished) or len(today.calls) != len(was.calls):
        return replace(today, meta=meta)
    calls = zip(today.calls, was.calls, strict=True)
    ends = tuple(replace(one, running_milliseconds=before.running_milliseconds) for one, before in calls)
    return replace(today, meta=meta, calls=ends, code_version=was.code_version)


class OldKeys:
    """Keys that are there: a replay makes none, and does not count as use."""

    def __init__(self, keys: SubjectKeys) -> None:
        self.keys = keys

    def of(self, tenant: str, subject: str) -> Key:
        """The key of a subject. Raises KeyErased, NoSuchKey."""
        return self.keys.known(tenant, subject)

    def named(self, tenant: str, key_id: str) -> Key:
        """The key of an id. Raises KeyErased, NoSuchKey."""
        return self.keys.named(tenant, key_id)


class Told(Outside):
    """Effects that nobody runs: the log tells how they ended."""

    def begin(self) -> None:
        """What would start now is open until it is told."""
        self.told = []
        starting, self.starting = self.starting, []
        untold, self.untold = self.untold, []
        self.open.update((work.place, work) for work in (*starting, *(work for work, _ in untold)))

    def take_ended(self) -> list[Ended]:
        """Nothing ends by itself."""
        return []

    def take_reports(self) -> list[Work]:
        """Nothing says anything by itself."""
        return []

    def ready(self) -> bool:
        """Nothing starts by itself."""
        return False


class HostAgain(Host):
    """A tool service's shard, run again."""

    def __init__(self, toolset: Toolset, opening: Opening, inside: Inside, outside: Told, limit: int) -> None:
        super().__init__(toolset, opening, inside, outside, limit)
        # Ends of the batch that is handled next, by key and attempt; attempts that were given up, by place.
        self.said: dict[tuple[str, int], FinishedCall] = {}
        self.given_up: dict[tuple[str, int], Work] = {}

    def contracts_to_publish(self) -> list[Contract]:
        """None: they are told, too."""
        return []

    def foretold(self, facts: Sequence[Record]) -> None:
        """What the log has of the batch that comes next."""
        reports = [one for one in facts if isinstance(one, CallsFinished)]
        self.said = {(call.key, call.attempt): call for one in reports for call in one.calls}

    def at_once(
        self,
        received: Received,
        call: Invocation,
        answer: Answer | None,
        same: Invocation | None,
        stopped: set[tuple[str, int]],
    ) -> FinishedCall | None:
        """As it was, where time decided, or a subject was erased since. What was not answered at once, was not: its end came in between."""
        end = self.said.get((call.key, call.attempt))
        if end is None or (end.error is not None and end.error.code in BY_TIME) or self.erased(received, call):
            return end
        return super().at_once(received, call, answer, same, stopped)

    def erased(self, received: Received, call: Invocation) -> bool:
        """Whether the call is about somebody whose key was destroyed: what it was given nobody knows any more."""
        tool = self.toolset.find(call.tool, call.contract_version)
        sealer = Sealer(self.inside.keys, received.record.meta.tenant)
        return tool is not None and tool.is_about_erased(call.arguments, sealer)

    def told(self, fact: Record) -> Record:
        """Something that no input caused: an end of an attempt, or a contract, which is today's."""
        if isinstance(fact, ToolContract):
            found = self.toolset.find(fact.name, fact.version)
            return fact if found is None else found.contract_fields().record(fact.meta)
        if isinstance(fact, CallsFinished):
            for end in fact.calls:
                self.ended(fact.plan_id, end)
        return fact

    def ended(self, plan_id: str, end: FinishedCall) -> None:
        """An attempt has its end; one that was given up may have another."""
        place = (plan_id, end.index)
        work = self.outside.open.get(place)
        late = work is None or work.call.attempt != end.attempt
        if late:
            work = self.given_up.get(place)
        else:
            self.given_up[place] = self.outside.open.pop(place)
        if work is not None and work.tool.effect != "PURE":
            self.keep([(work.call, end, work.received_at)], late=late)
        intents.remove(self.opening, [(plan_id, end.index, end.attempt)])
