"""The platform's ports."""

from __future__ import annotations

import socket
from pathlib import Path

from motet.platform import ports
from motet.platform.layout import Layout


def listening(port: int) -> socket.socket:
    """A stranger on a port."""
    stranger = socket.socket()
    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    stranger.bind(("127.0.0.1", port))
    stranger.listen()
    return stranger


def test_ports_are_kept(tmp_path: Path) -> None:
    """The second choice is the first one's: addresses that people noted stay right."""
    first = ports.choose(Layout(tmp_path))
    assert ports.choose(Layout(tmp_path)) == first
    assert len(set(first.values())) == len(ports.NAMES)


def test_a_taken_port_is_chosen_anew(tmp_path: Path) -> None:
    """Only the port that somebody else listens on changes, and the new one is kept."""
    first = ports.choose(Layout(tmp_path))
    with listening(first["kafka"]):
        second = ports.choose(Layout(tmp_path))
    assert second["kafka"] != first["kafka"]
    assert {**second, "kafka": first["kafka"]} == first
    assert ports.choose(Layout(tmp_path)) == second


def test_a_connection_that_is_still_ending_is_not_in_the_way() -> None:
    """A port whose server closed its connections a moment ago (TIME_WAIT) is free, as it is for the server."""
    port = ports.free_port()
    with listening(port) as server, socket.create_connection(("127.0.0.1", port)) as client:
        accepted, _ = server.accept()
        accepted.close()
        assert client.recv(1) == b""
    assert ports.is_free(port)


def test_ports_are_not_those_of_outgoing_connections() -> None:
    """They lie below the range from which Linux gives ports away between two starts."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert lowest >= ports.FIRST + ports.COUNT
