"""The platform's ports: chosen once, kept from then on, and chosen anew when somebody else took one in between."""

from __future__ import annotations

import secrets
import socket
from typing import Final

from motet.platform.errors import PlatformFailed
from motet.platform.layout import Layout

NAMES: Final = ("kafka", "controller", "postgres", "registry", "registry_management")
# Below the range from which Linux takes the ports of outgoing connections: one of those would be in the way at the next start.
FIRST: Final = 15_000
COUNT: Final = 15_000
ATTEMPTS: Final = 1_000


def is_free(port: int) -> bool:
    """Whether a server could listen there now. Connections that are still ending are not in the way, as for a server."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """A port that nobody listens on now, and none of those taken."""
    for _ in range(ATTEMPTS):
        port = FIRST + secrets.randbelow(COUNT)
        if port not in taken and is_free(port):
            return port
    raise PlatformFailed(f"no free port on 127.0.0.1 between {FIRST} and {FIRST + COUNT}, {ATTEMPTS} were tried")


def choose(layout: Layout) -> dict[str, int]:
    """The ports by name. Asked before anything of ours runs: whoever listens on one of them is a stranger."""
    known: dict[str, int] = layout.read(layout.ports) or {}
    ports: dict[str, int] = {name: known[name] for name in NAMES if name in known and is_free(known[name])}
    for name in NAMES:
        if name not in ports:
            ports[name] = free_port(frozenset(ports.values()))
    layout.write(layout.ports, ports)
    return ports
