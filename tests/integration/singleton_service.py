"""A service with one singleton job, whose leader writes its token and itself down with every act: `python singleton_service.py`."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from motet.chassis import settings as configuration
from motet.chassis.hop import Hop
from motet.chassis.job import Job, Lead
from motet.chassis.loop import Loop
from motet.chassis.service import Inert, Input, Opening, Received, Service


class Idle(Inert):
    """Decides nothing."""

    def __init__(self, opening: Opening) -> None:
        """Keeps nothing."""

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Leaves everything as it is."""


def work(lead: Lead) -> None:
    """Writes down who acts; the one that a file names is paused in the midst of it, once."""
    lead.connection.execute("INSERT INTO acts.act (token, process) VALUES (%s, %s)", (lead.token, os.getpid()))
    paused = Path(os.environ["ACTS_PAUSE"])
    if paused.exists() and paused.read_text() == str(os.getpid()):
        paused.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)


def main() -> None:
    """Runs until SIGTERM."""
    settings = configuration.load()
    job = Job("act", 0.02, work)
    Loop(Service("singletons", (Input("motet.repairs"),), (), Idle, "singletons", jobs=(job,)), settings).run()


if __name__ == "__main__":
    main()
