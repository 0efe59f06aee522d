"""Transactional calls: inside the hop's own transaction, so that effect and result become durable together or not at all."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any, Final

import psycopg

from motet.chassis import guard
from motet.chassis.service import Opening, Received
from motet.personal.sealing import Keys, Sealer
from motet.records import FinishedCall, Invocation, InvokeCalls
from motet.tools import held
from motet.tools.calling import call_tool
from motet.tools.context import Context
from motet.tools.ending import end_of, hidden, succeeded, unknown
from motet.tools.failure import TIMED_OUT
from motet.tools.intents import token_of
from motet.tools.running import Running
from motet.tools.time_limit import Overdue, time_limit
from motet.tools.toolset import Toolset
from motet.tools.versions import InRows, Kept, VersionConflict, Versions, Writer

# PostgreSQL ends a session that idles in a transaction for 10 s.
LONGEST_SECONDS: Final = 8.0
# The transaction is gone or must run again: not the tool's failure, the chassis tries again.
AGAIN: Final = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.AdminShutdown,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.InterfaceError,
)


class Inside:
    """Runs calls in the hop's transaction: all under one savepoint, and if one fails, each under its own."""

    def __init__(self, toolset: Toolset, opening: Opening, keys: Keys) -> None:
        self.toolset = toolset
        self.opening = opening
        self.keys = keys

    def run(self, work: list[tuple[Received, Invocation]]) -> list[tuple[Received, FinishedCall]]:
        """The ends of calls, in order."""
        if not work:
            return []
        try:
            together = guard.contain(partial(self.together, work), (Overdue, *AGAIN))
        except Overdue:
            together = None
        if isinstance(together, guard.Done):
            return together.value
        return [(received, self.alone(received, call)) for received, call in work]

    def together(self, work: list[tuple[Received, Invocation]]) -> list[tuple[Received, FinishedCall]]:
        """All calls under one savepoint; any failure undoes all."""
        with self.opening.connection.transaction():
            return [(received, self.one(received, call, self.running(received, call))) for received, call in work]

    def alone(self, received: Received, call: Invocation) -> FinishedCall:
        """One call under a savepoint of its own."""
        running = self.running(received, call)

        def inside() -> FinishedCall:
            with self.opening.connection.transaction():
                return self.one(received, call, running)

        try:
            end = guard.contain(inside, (Overdue, *AGAIN))
        except Overdue:
            message = f"the tool took longer than its limit of {self.limit(call):g} seconds and was rolled back"
            return unknown(call, "TRANSACTIONAL", TIMED_OUT, message)
        if isinstance(end, guard.Done):
            return end.value
        if self.opening.connection.closed:
            # The tool's error is the lost connection: nothing of the hop will be, and it runs again. What the tool says of it is nobody's news.
            raise psycopg.OperationalError("the connection was lost while a tool ran") from None
        finished = hidden(end_of(call, "TRANSACTIONAL", end), running.sealer)
        return self.conflicted(call, finished, end.error) if isinstance(end.error, VersionConflict) else finished

    def conflicted(self, call: Invocation, end: FinishedCall, error: VersionConflict) -> FinishedCall:
        """The end of a call that met another version: it is tried again at that one, if its tool says that it means the same there."""
        tool = self.toolset.find(call.tool, call.contract_version)
        return replace(end, retry=tool is not None and tool.rereads, conflicts=(error.mismatch,))

    def running(self, received: Received, call: Invocation) -> Running:
        """An attempt that begins now."""
        return Running(self.limit(call), sealer=Sealer(self.keys, received.record.meta.tenant))

    def one(self, received: Received, call: Invocation, running: Running) -> FinishedCall:
        """Runs one call within its time. Whatever the tool raises goes through."""
        source, seconds = received.record, self.limit(call)
        versions = self.versions(received, call, InRows(self.opening.connection))
        context = self.context(source, call, running, versions, self.opening.connection)
        began = time.monotonic()
        with time_limit(seconds):
            tool = self.toolset.find(call.tool, call.contract_version)
            held.check(self.opening.connection, () if tool is None else tool.leases, call, source.meta)
            versions.check_carried()
            text = call_tool(self.toolset, call, context, None)
        end = succeeded(call, text or "null")
        return FinishedCall(
            *(end.index, end.key, end.attempt, end.outcome, end.result, end.error, end.retry, end.delay_seconds),
            running.spent,
            int((time.monotonic() - began) * 1_000),
        )

    @staticmethod
    def versions(received: Received, call: Invocation, kept: Kept) -> Versions:
        """What the call may read and write of versions, and those that it carries."""
        source, carried = received.record, {one.resource: one.version for one in call.expected_versions}
        writer = Writer(source.meta.tenant, source.plan_id, call.index, call.key, received.timestamp_ms)
        return Versions(kept, writer, carried)

    def context(
        self,
        source: InvokeCalls,
        call: Invocation,
        running: Running,
        versions: Versions,
        transaction: psycopg.Connection[Any] | None,
    ) -> Context:
        """What the tool learns of its call."""
        return Context(
            key=call.key,
            tenant=source.meta.tenant,
            domain=source.meta.domain,
            plan_id=source.plan_id,
            call_index=call.index,
            attempt=call.attempt,
            agent=source.agent,
            fencing_token=token_of(self.opening.epoch, call.attempt),
            traceparent=source.meta.traceparent,
            transaction=transaction,
            running=running,
            versions=versions,
            leases=held.tokens_of(call.leases),
        )

    def limit(self, call: Invocation) -> float:
        """The seconds that a call may take."""
        tool = self.toolset.find(call.tool, call.contract_version)
        return LONGEST_SECONDS if tool is None else min(tool.timeout_seconds, LONGEST_SECONDS)
