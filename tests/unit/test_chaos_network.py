"""The network of chaos: frames are cut where they end, whatever pieces they come in, and the weather does what it says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.chaos.profile import PROFILES, scripts
from motet.chaos.proxy import FINE, Framing, Network, PostgresFraming, Proxy, Weather, is_commit, is_produce

LONG = 5.0
SHORT = 0.3


def cut_up(framing: Framing, stream: bytes, sizes: list[int]) -> list[bytes]:
    """The frames of a stream that comes in pieces."""
    found, at = [], 0
    for size in [*sizes, len(stream)]:
        found += list(framing.cut(stream[at : at + size]))
        at += size
    return found


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 9), max_size=60))
def test_kafkas_frames_are_cut_where_they_end(bodies: list[bytes], sizes: list[int]) -> None:
    """A length of four bytes, and so many bytes."""
    frames = [len(body).to_bytes(4) + body for body in bodies]
    assert cut_up(Framing(), b"".join(frames), sizes) == frames


@given(st.booleans(), st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 9), max_size=60))
def test_postgres_frames_are_cut_where_they_end(tls: bool, bodies: list[bytes], sizes: list[int]) -> None:
    """The first ones have no type: perhaps a question about TLS, then the start."""
    asked = [(8).to_bytes(4) + (80_877_103).to_bytes(4)] if tls else []
    begun = b"user\0motet\0\0"
    start = [(8 + len(begun)).to_bytes(4) + (3 << 16).to_bytes(4) + begun]
    frames = asked + start + [b"Q" + (4 + len(body)).to_bytes(4) + body for body in bodies]
    assert cut_up(PostgresFraming(), b"".join(frames), sizes) == frames


def test_frames_of_interest_are_recognised() -> None:
    """A COMMIT as a query and in a pipeline; records that are sent, and nothing else."""
    assert is_commit(b"Q\0\0\0\x0bCOMMIT\0")
    assert is_commit(b"P\0\0\0\x0e\0COMMIT\0\0\0")
    assert not is_commit(b"Q\0\0\0\x0dSELECT 1\0")
    assert not is_commit(b"D\0\0\0\x0bCOMMIT\0")
    assert is_produce((12).to_bytes(4) + (0).to_bytes(2) + bytes(10))
    assert not is_produce((12).to_bytes(4) + (1).to_bytes(2) + bytes(10))


class Echo:
    """A server that keeps what it gets, and says it again."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.got = b""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        """One connection after the other."""
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                try:
                    while data := connection.recv(4_096):
                        self.got += data
                        connection.sendall(data)
                except OSError:
                    continue


@contextmanager
def through(*, kafka: bool) -> Iterator[tuple[Echo, Proxy, Network, socket.socket]]:
    """A client that reaches such a server through the network."""
    echo = Echo()
    proxy = Proxy(echo.port, kafka=kafka)
    with closing(echo.socket), Network(proxy) as network, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.settimeout(LONG)
        yield echo, proxy, network, client


def request(api: int, number: int, body: bytes = b"x") -> bytes:
    """A frame of Kafka's protocol."""
    content = api.to_bytes(2) + (9).to_bytes(2) + number.to_bytes(4) + body
    return len(content).to_bytes(4) + content


def answer(number: int) -> bytes:
    """An answer to it."""
    return (4).to_bytes(4) + number.to_bytes(4)


@pytest.mark.parametrize("direction", ["hole_up", "hole_down"])
def test_nothing_passes_a_hole_until_it_is_gone(direction: str) -> None:
    """Into one direction; and then all that waited passes on."""
    with through(kafka=False) as (echo, proxy, _, client):
        proxy.weather = Weather(**{direction: True})
        begun = (8).to_bytes(4) + (3 << 16).to_bytes(4)
        client.sendall(begun)
        client.settimeout(SHORT)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert (echo.got == b"") == (direction == "hole_up")
        client.settimeout(LONG)
        proxy.weather = FINE
        assert client.recv(8) == begun


def test_records_that_are_sent_twice_are_answered_once() -> None:
    """The server has the request twice, the client one answer; what else is asked comes once."""
    echo = Echo()
    with closing(echo.socket):
        listening = socket.create_server(("127.0.0.1", 0))
        proxy = Proxy(listening.getsockname()[1], kafka=True)
        with Network(proxy), socket.create_connection(("127.0.0.1", proxy.port)) as client, closing(listening):
            client.settimeout(LONG)
            server, _ = listening.accept()
            server.settimeout(LONG)
            proxy.weather = Weather(repeat_produce=True)
            produce, other = request(0, 7), request(3, 8)
            client.sendall(produce + other)
            want = produce + produce + other
            got = b""
            while len(got) < len(want):
                got += server.recv(4_096)
            assert got == want
            server.sendall(answer(7) + answer(7) + answer(8))
            read = b""
            while len(read) < 16:
                read += client.recv(4_096)
            assert read == answer(7) + answer(8)
            server.close()


def test_the_answer_to_a_commit_is_lost_and_the_connection_with_it() -> None:
    """The server has it; the client hears of nothing."""
    with through(kafka=False) as (echo, proxy, _, client):
        client.sendall((8).to_bytes(4) + (3 << 16).to_bytes(4))
        assert len(client.recv(8)) == 8
        proxy.weather = Weather(lose_commit=True)
        client.sendall(b"Q\0\0\0\x0bCOMMIT\0")
        with pytest.raises(ConnectionError):
            assert client.recv(1), "it was closed as if nothing were"
        assert echo.got.endswith(b"COMMIT\0")
        assert proxy.done == 1


def test_connections_are_cut() -> None:
    """Each of them at once, and how many is said."""
    with through(kafka=False) as (_, proxy, network, client):
        begun = (8).to_bytes(4) + (3 << 16).to_bytes(4)
        client.sendall(begun)
        assert client.recv(8) == begun
        assert network.reset(proxy) == 1
        with pytest.raises(ConnectionError):
            assert client.recv(1), "it was closed as if nothing were"


def test_a_little_at_a_time_arrives_whole() -> None:
    """However small the pieces."""
    with through(kafka=True) as (_, proxy, _network, client):
        proxy.weather = Weather(drip_bytes=7, latency_seconds=0.01)
        sent = request(1, 1, b"y" * 100)
        client.sendall(sent)
        got = b""
        while len(got) < len(sent):
            got += client.recv(4_096)
        assert got == sent


def test_a_seed_writes_the_same_runs() -> None:
    """Each fault so often as the profile says, or a mixture; another seed gives another one."""
    names = ["a", "b", "c"]
    assert [one.faults for one in scripts(PROFILES["quick"], names, 1)] == names
    night = list(scripts(PROFILES["night"], names, 1))
    assert len(night) == 60
    assert len({one.seed for one in night}) == 60
    first, again, other = (list(scripts(PROFILES["release"], names, seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert all(sum(act.quiet_seconds + act.seconds for act in one.acts) >= 300 for one in first)
