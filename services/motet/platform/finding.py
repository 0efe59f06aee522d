"""Where the servers are, for a command or a client that was not told: the platform that runs under `.motet`."""

from __future__ import annotations

import os
from pathlib import Path

from motet.platform.running import Platform


def home() -> Path:
    """The platform's directory: MOTET_HOME, or `.motet` in the working directory."""
    return Path(os.environ.get("MOTET_HOME") or ".motet").resolve()


def found_addresses() -> dict[str, str]:
    """The settings kafka_bootstrap, postgres_url and schema_registry_url of the running platform; empty if none runs."""
    platform = Platform(home())
    if platform.supervisor() is None:
        return {}
    addresses = platform.addresses
    return {
        "kafka_bootstrap": addresses.kafka,
        "postgres_url": addresses.postgres,
        "schema_registry_url": addresses.registry,
    }
