"""The coordinator's declaration."""

from __future__ import annotations

from motet import hosting
from motet.chassis.service import Service
from motet.chassis.settings import Settings
from motet.hosting.telling import GRANTS, REQUESTS
from motet.modes import COORDINATOR


def service(settings: Settings) -> Service:
    """The host of orchestrated plans, and of all lines."""
    return hosting.service(COORDINATOR, settings, hears=REQUESTS, says=GRANTS)
