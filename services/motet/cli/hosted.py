"""Motet's own services by name, for the commands that are about one of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from motet.chassis.errors import ConfigurationError
from motet.chassis.settings import Settings

if TYPE_CHECKING:
    from motet.chassis.service import Service

NAMES: Final = ("coordinator", "agents", "leases", "projector", "checkpoints")


def service_named(name: str, settings: Settings, names: tuple[str, ...] = NAMES) -> Service:
    """The declaration of a service. A process loads the service that it runs. Raises ConfigurationError for another name."""
    if name not in names:
        raise ConfigurationError(f"there is no service {name!r}; there are {', '.join(names[:-1])} and {names[-1]}")
    service: Service = import_module(f"motet.{name}").service(settings)
    return service
