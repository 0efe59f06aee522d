"""Where the projector begins: with tables that are there and its own, whatever made them last."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import psycopg

from motet.chassis import telemetry
from motet.chassis.errors import ConfigurationError
from motet.chassis.service import Service
from motet.chassis.settings import Settings
from motet.projector import surface
from motet.projector.handler import NAME, declaration
from motet.projector.moments import building
from motet.projector.rebuild import rebuild

LOCK: Final = "SELECT pg_advisory_lock(hashtext('motet.upgrade'))"


def service(settings: Settings) -> Service:
    """The projector. Creates the SQL surface where it is missing, and builds it anew where an earlier version made it.

    Until then the tables stay as that version left them, and are read as before; nobody writes them. Raises ConfigurationError where a newer
    version made them: two that run beside each other would build against each other for ever.
    """
    if not surface.ensure(settings.postgres_url):
        build_anew(settings)
    return replace(declaration(), beside=building)


def build_anew(settings: Settings) -> None:
    """Rebuilds from the first event. Of several processes one does, and the others wait for it."""
    log = telemetry.configure(NAME, settings.replica, settings.log_level)
    with psycopg.connect(settings.postgres_url, autocommit=True) as connection:
        connection.execute(LOCK)
        if surface.is_ours(connection):
            return
        found = surface.description(connection, surface.SCHEMA)
        if surface.is_newer(found):
            raise ConfigurationError(
                f"the tables in schema {surface.SCHEMA} were made by a newer Motet ({found}), and this one makes version {surface.VERSION}: "
                "run that, or, to go back, end it everywhere and run `motet rebuild` with this one"
            )
        log.info("rebuilding", reason="an earlier version of Motet made the tables", found=found)
        rebuilt = rebuild(settings, lambda read, total: log.info("rebuilding", read=read, of=total))
        log.info("rebuilt", records=rebuilt.events, seconds=round(rebuilt.seconds, 1))
