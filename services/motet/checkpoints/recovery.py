"""The service from its topics: how far its shards are, and the checkpoints that it published.

One that was signed and never published is lost with the database; the folder may have it, and then says so before another takes its number.
"""

from __future__ import annotations

from motet.chassis.settings import Settings
from motet.checkpoints.handler import declaration
from motet.conformance import frontier, recovery
from motet.records import CheckpointSigned


def recover(settings: Settings) -> int:
    """Makes its rows; returns how many checkpoints there are. What is beside the newest one the service reads from the log again."""
    service = declaration(settings, None)
    with recovery.beside(settings, service) as rerun:
        frontier.write_all(rerun)
        records = (rerun.codec.decode(said.value) for log in rerun.logs for said in log.published.values())
        notes = {one.number: one.note for one in records if isinstance(one, CheckpointSigned)}
        with rerun.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO checkpoint (number, note, published) VALUES (%s, %s, true)", sorted(notes.items())
            )
    return len(notes)
