"""Deletes answers to commands that are older than their window: one process of the service at a time, for all its shards.

It changes no answer: what is too old is told apart when it is read.
"""

from __future__ import annotations

from typing import Final

from motet.chassis.expiry import ROWS_AT_ONCE
from motet.chassis.job import Job, Lead

EVERY_SECONDS: Final = 2.0
MILLISECONDS: Final = 1_000
EXPIRE: Final = (
    "DELETE FROM command WHERE key_digest = ANY(ARRAY(SELECT key_digest FROM command WHERE answered_at < %s "
    "ORDER BY answered_at LIMIT %s))"
)


def cleaning(name: str, window_seconds: float) -> Job:
    """The job of a service that keeps what commands were answered (`answered.py`)."""
    window = int(window_seconds * MILLISECONDS)

    def work(lead: Lead) -> None:
        """Some of what is too old: a bounded number of rows at a time."""
        lead.connection.execute(EXPIRE, (lead.now - window, ROWS_AT_ONCE))

    return Job(name, EVERY_SECONDS, work)
