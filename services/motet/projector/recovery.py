"""The projector from its topics: how far its shards are, and then all tables, built again."""

from __future__ import annotations

from motet.chassis.settings import Settings
from motet.conformance import frontier, recovery
from motet.projector import surface
from motet.projector.handler import declaration
from motet.projector.rebuild import Rebuilt, rebuild


def recover(settings: Settings) -> Rebuilt:
    """Makes its rows up to where its group was, and the tables up to there; it goes on behind that."""
    with recovery.beside(settings, declaration()) as rerun:
        frontier.write_all(rerun)
    surface.ensure(settings.postgres_url)
    return rebuild(settings, lambda _done, _all: None)
