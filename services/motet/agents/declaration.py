"""The declaration of the agents' service."""

from __future__ import annotations

from dataclasses import replace

from motet import hosting
from motet.chassis.service import Service
from motet.chassis.settings import Settings
from motet.hosting.telling import GRANTS, REQUESTS
from motet.modes import AGENTS


def service(settings: Settings) -> Service:
    """The host of choreographed and hybrid plans."""
    # It reads every command at the door, and leaves most of them to the coordinator where plans are orchestrated.
    return replace(hosting.service(AGENTS, settings, hears=GRANTS, says=REQUESTS), gather_seconds=0.2)
