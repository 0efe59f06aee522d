"""How clients reach Kafka: the address, and, where Kafka asks for a login or for TLS, librdkafka's properties for it from a file.

MOTET_KAFKA_PROPERTIES names the file, one `name=value` a line, as `kafka-console-consumer --command-config` has it:

    security.protocol=SASL_SSL
    sasl.mechanisms=SCRAM-SHA-512
    sasl.username=auditor
    sasl.password=…
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from motet.chassis.errors import ConfigurationError

VARIABLE: Final = "MOTET_KAFKA_PROPERTIES"
# What says who one is and how one gets there; what decides how records are sent and read is Motet's, each setting for a reason.
ALLOWED: Final = (
    "security.",
    "sasl.",
    "ssl.",
    "enable.ssl.",
    "enable.sasl.",
    "socket.",
    "broker.address.",
    "client.dns.",
)


def reaching(bootstrap: str) -> dict[str, Any]:
    """What every client of Kafka is made with. Raises ConfigurationError for a file that is none."""
    named = os.environ.get(VARIABLE, "")
    # What is sent is sent at once: it has been gathered before, and somebody waits for it.
    usual = {"bootstrap.servers": bootstrap, "socket.nagle.disable": True}
    return usual | (dict(properties(Path(named))) if named else {})


def properties(path: Path) -> Iterator[tuple[str, str]]:
    """The properties of a file. Raises ConfigurationError that names the line; no message shows a value, which may be a password."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{VARIABLE}: {path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise ConfigurationError(f"{VARIABLE}: {path}, line {number} is no name=value")
        if not name.startswith(ALLOWED):
            raise ConfigurationError(
                f"{VARIABLE}: {path}, line {number}: {name} is not about the login; names begin with {', '.join(ALLOWED)}"
            )
        yield name, value
