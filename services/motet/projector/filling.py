"""Fills a schema from the topics by several processes, each with some partitions of every topic and connections of its own.

A row follows from one partition, or from operations that commute (`fold.py`): the projector's shards write side by side in the same way.
What a killed rebuild left running holds a lock until it has noticed, which the next one waits for.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import closing, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Final

import psycopg

from motet.chassis.database import BY_KEY
from motet.chassis.errors import MotetError
from motet.chassis.provision import catalog
from motet.chassis.settings import Settings
from motet.projector.source import Ends, Source
from motet.projector.writer import Writer

LOCK: Final = "hashtext('motet.rebuild.filling')"
END_SECONDS: Final = 10.0
# Nobody looks at the new tables before they are swapped in, and that makes durable what came before it.
OPTIONS: Final = f"{BY_KEY} -c synchronous_commit=off"


class FillerDied(MotetError):
    """A process that filled tables ended before it was done. Whoever asked for the rebuild asks again."""


class Filler:
    """One process, and the partitions, by number, that it reads."""

    def __init__(self, settings: Settings, schema: str, batch: int, number: int, of: int) -> None:
        # A copy of this process would have its threads' locks as they are just now, and its connections.
        processes = multiprocessing.get_context("spawn")
        self.pipe, theirs = processes.Pipe()
        self.process = processes.Process(target=fill, args=(theirs, settings, schema, batch), name=f"filler-{number}")
        self.process.start()
        theirs.close()
        self.number, self.of = number, of
        self.read = self.reached = 0

    def mine(self, ends: Ends) -> Ends:
        """What is asked of this one."""
        return {place: end for place, end in ends.items() if place[1] % self.of == self.number}

    def hear(self) -> bool:
        """Takes what it says; whether it is done with what it was asked. Raises what it raised."""
        try:
            said = self.pipe.recv()
        except (EOFError, ConnectionError) as error:
            self.process.join(END_SECONDS)
            raise FillerDied(
                f"{self.process.name} (process {self.process.pid}) ended with exit code {self.process.exitcode} "
                "before its tables were filled; rebuild again"
            ) from error
        if isinstance(said, Exception):
            raise said
        self.read, self.reached, done = said
        return bool(done)

    def close(self) -> None:
        """Ends it: without this end of its pipe it has nothing left to do."""
        self.pipe.close()
        self.process.join(END_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Fillers:
    """As many as there are processors. `begin` comes first; `fill` may be called again with later ends."""

    def __init__(self, settings: Settings, schema: str, batch: int) -> None:
        count = min(os.cpu_count() or 1, catalog()[0])
        self.fillers = [Filler(settings, schema, batch, number, count) for number in range(count)]

    @property
    def records(self) -> int:
        """How many were read."""
        return sum(one.read for one in self.fillers)

    def begin(self, ends: Ends) -> None:
        """Waits until they are there, each with its lock, and says which dead letters are to be left out: those up to the ends."""
        self.all_done(lambda: None)
        for one in self.fillers:
            one.pipe.send(("leave out", ends))
        self.all_done(lambda: None)

    def fill(self, ends: Ends, report: Callable[[int, int], None]) -> None:
        """Reads and writes up to the ends. Raises LogUnreadable, LaneBroken, FillerDied."""
        total = sum(ends.values())
        for one in self.fillers:
            one.pipe.send(("fill", one.mine(ends)))
        self.all_done(lambda: report(sum(one.reached for one in self.fillers), total))

    def all_done(self, heard: Callable[[], None]) -> None:
        """Waits until each has done what it was asked."""
        busy = {one.pipe: one for one in self.fillers}
        while busy:
            for pipe in wait(list(busy)):
                if busy[pipe].hear():  # type: ignore[index]
                    del busy[pipe]  # type: ignore[arg-type]
                heard()

    def close(self) -> None:
        """Ends them."""
        for one in self.fillers:
            one.close()


def fill(pipe: Connection, settings: Settings, schema: str, batch: int) -> None:
    """A filler's process: does what it is asked for until nobody is there to ask."""
    # Ctrl-C is for who asks: when that ends, this does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Rows and records have no circles, and are millions: to look for some takes a tenth of the time.
    gc.disable()
    with (
        suppress(EOFError, ConnectionError),
        closing(Source(settings, batch)) as source,
        psycopg.connect(
            settings.postgres_url, autocommit=True, options=OPTIONS, application_name="motet-rebuild-filler"
        ) as connection,
    ):
        try:
            serve(pipe, source, connection, Writer(connection, schema))
        except (MotetError, psycopg.Error) as error:
            pipe.send(error)


def serve(pipe: Connection, source: Source, connection: psycopg.Connection[Any], writer: Writer) -> None:
    """One thing after the other. Raises EOFError once nobody asks any more, and what `Source` raises."""
    connection.execute(f"SELECT pg_advisory_lock_shared({LOCK})".encode())

    def told(reached: int, *, done: bool = False) -> None:
        pipe.send((source.records, reached, done))

    told(0, done=True)
    while True:
        match pipe.recv():
            case ("leave out", ends):
                source.leave_out(ends)
            case ("fill", ends):
                source.fill(connection, writer, ends, lambda reached, _: told(reached))
        told(sum(source.replay.reached.values()), done=True)
