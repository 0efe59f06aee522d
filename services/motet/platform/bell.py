"""How a waiter learns at once that the supervisor's state changed: each waiter has a pipe with a name, rung at every change.

A pipe in the file system needs no port, no long socket path, and works between any two processes of one user.
"""

from __future__ import annotations

import errno
import os
import select
import uuid
from pathlib import Path
from typing import Self

from motet.platform.process import Watch


class Bell:
    """A waiter's pipe; a context manager. Hang it before the state is read, then no change is missed."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / uuid.uuid4().hex
        hidden = directory / f".{self.path.name}"
        os.mkfifo(hidden, 0o600)
        # Open for writing as well: with a writer that never leaves, the end of a ringing is not an end of file.
        self.descriptor = os.open(hidden, os.O_RDWR | os.O_NONBLOCK)
        # It gets its name only now: the supervisor removes pipes that nobody reads.
        hidden.replace(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)

    def wait(self, seconds: float, watched: Watch) -> None:
        """Returns at a ring, at the watched process's end, or when the time is over."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        if watched.descriptor is not None:
            poll.register(watched.descriptor, select.POLLIN)
        if any(descriptor == self.descriptor for descriptor, _ in poll.poll(max(0.0, seconds) * 1000)):
            os.read(self.descriptor, 4096)


def ring(directory: Path) -> None:
    """Wakes all who wait; removes the pipes of those who are gone."""
    for path in directory.glob("[!.]*"):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.ENXIO:  # nobody has it open
                raise
            path.unlink(missing_ok=True)
            continue
        try:
            os.write(descriptor, b"!")
        except BlockingIOError:
            pass  # it has been rung thousands of times and will be read
        finally:
            os.close(descriptor)
