"""Where the projector begins: with tables that are there and its own, whatever made them last."""

from __future__ import annotations

from typing import Final

import psycopg

from motet.chassis import telemetry
from motet.chassis.service import Service
from motet.chassis.settings import Settings
from motet.projector import surface
from motet.projector.handler import NAME, declaration
from motet.projector.rebuild import rebuild

LOCK: Final = "SELECT pg_advisory_lock(hashtext('motet.upgrade'))"


def service(settings: Settings) -> Service:
    """The projector. Creates the SQL surface where it is missing, and builds it anew where another version made it.

    Until then the tables stay as that version left them, and are read as before; nobody writes them.
    """
    if not surface.ensure(settings.postgres_url):
        build_anew(settings)
    return declaration()


def build_anew(settings: Settings) -> None:
    """Rebuilds from the first event. Of several processes one does, and the others wait for it."""
    log = telemetry.configure(NAME, settings.replica, settings.log_level)
    with psycopg.connect(settings.postgres_url, autocommit=True) as connection:
        connection.execute(LOCK)
        if surface.is_ours(connection):
            return
        log.info(
            "rebuilding",
            reason="another version of Motet made the tables",
            found=surface.description(connection, surface.SCHEMA),
        )
        rebuilt = rebuild(settings, lambda read, total: log.info("rebuilding", read=read, of=total))
        log.info("rebuilt", records=rebuilt.events, seconds=round(rebuilt.seconds, 1))
