"""A network that does as it is told: a loopback proxy before Kafka and one before PostgreSQL, which know where their frames begin and end.

Bytes of both directions pass through `Link`; what happens to them the proxy's `Weather` says, which may change at any moment. Kafka's frames
are a length of four bytes and that many bytes, a request begins with its API's number and has a correlation id behind it (KIP-482);
PostgreSQL's are a type of one byte and a length, but for the first ones of a connection, which have no type (protocol 3.0).
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

PRODUCE: Final = 0
STARTUP: Final = range(3 << 16, 4 << 16)
COMMIT: Final = b"COMMIT"
# Bytes of a frame's length.
LENGTH: Final = 4
CHUNK: Final = 65_536
LOOK_SECONDS: Final = 0.02
DRIP_SECONDS: Final = 0.005


@dataclass(frozen=True, slots=True)
class Weather:
    """What the network does: nothing passes on (`hole_up` to the server, `hole_down` from it), everything passes later or `drip_bytes` at a time.

    Of Kafka: produce requests pass later, or twice. Of PostgreSQL: what answers a COMMIT is lost, and its connection with it.
    """

    hole_up: bool = False
    hole_down: bool = False
    latency_seconds: float = 0.0
    drip_bytes: int = 0
    hold_produce_seconds: float = 0.0
    repeat_produce: bool = False
    lose_commit: bool = False


FINE: Final = Weather()


class Framing:
    """Cuts a stream into frames; what is not whole yet waits."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def cut(self, data: bytes) -> Iterator[bytes]:
        """The frames that are whole now."""
        self.buffer += data
        while (size := self.size()) is not None and len(self.buffer) >= size:
            yield bytes(self.buffer[:size])
            del self.buffer[:size]

    def size(self) -> int | None:
        """How long the frame is that stands first; None while too little of it is there to know."""
        return LENGTH + int.from_bytes(self.buffer[:LENGTH]) if len(self.buffer) >= LENGTH else None


class PostgresFraming(Framing):
    """The same for what a client of PostgreSQL sends."""

    def __init__(self) -> None:
        super().__init__()
        self.started = False

    def size(self) -> int | None:
        """How long the frame is that stands first."""
        if self.started:
            return 1 + int.from_bytes(self.buffer[1 : 1 + LENGTH]) if len(self.buffer) > LENGTH else None
        if len(self.buffer) < 2 * LENGTH:
            return None
        size = int.from_bytes(self.buffer[:LENGTH])
        # Asking for TLS comes before the start, and is refused by these servers.
        if len(self.buffer) >= size:
            self.started = int.from_bytes(self.buffer[LENGTH : 2 * LENGTH]) in STARTUP
        return size


def is_commit(frame: bytes) -> bool:
    """Whether a client of PostgreSQL asks for a COMMIT by this frame, as a query or in a pipeline."""
    return frame[:1] in b"QP" and COMMIT in frame[5:64].upper()


def is_produce(frame: bytes) -> bool:
    """Whether a client of Kafka sends records by this frame."""
    return int.from_bytes(frame[4:6]) == PRODUCE


def correlation(frame: bytes, at: int) -> bytes:
    """The id that a request and its answer share: behind API and version in a request, first in an answer."""
    return frame[at : at + 4]


class Link:
    """One connection, through the proxy."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        # Requests that went out twice: their first answers are passed on, their second ones are not.
        self.doubled: dict[bytes, int] = {}
        self.commit_asked = False

    async def run(self, from_client: asyncio.StreamReader, from_server: asyncio.StreamReader) -> None:
        """Until either side ends it."""
        ways = [
            asyncio.create_task(self.pass_on(from_client, self.server, up=True)),
            asyncio.create_task(self.pass_on(from_server, self.client, up=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if all(one.result() for one in ways if one.done()):
                # Who ended it may have said why, and that is still to arrive.
                self.client.close()
                self.server.close()
            else:
                self.reset()
        finally:
            for one in ways:
                one.cancel()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> bool:
        """One direction, to its end; whether that was a farewell."""
        kafka = self.proxy.kafka
        framing = (Framing() if kafka else PostgresFraming()) if up or kafka else None
        try:
            while data := await reader.read(CHUNK):
                for frame in framing.cut(data) if framing is not None else (data,):
                    await self.passed(frame, writer, up=up)
        except OSError:
            return False
        return True

    async def passed(self, frame: bytes, writer: asyncio.StreamWriter, *, up: bool) -> None:
        """One frame, in the weather that there is. Raises ConnectionError where it ends the connection."""
        while self.proxy.weather.hole_up if up else self.proxy.weather.hole_down:  # noqa: ASYNC110  another thread makes the weather
            await asyncio.sleep(LOOK_SECONDS)
        weather = self.proxy.weather
        if weather.latency_seconds:
            await asyncio.sleep(weather.latency_seconds)
        if up:
            await self.asked(frame, writer, weather)
        elif self.wanted(frame):
            await self.write(frame, writer, weather)

    async def asked(self, frame: bytes, writer: asyncio.StreamWriter, weather: Weather) -> None:
        """A frame on its way to the server."""
        if self.proxy.kafka and is_produce(frame):
            if weather.hold_produce_seconds:
                self.proxy.count()
                await asyncio.sleep(weather.hold_produce_seconds)
            if weather.repeat_produce:
                self.proxy.count()
                self.doubled[correlation(frame, 8)] = 2
                await self.write(frame, writer, weather)
        elif not self.proxy.kafka and weather.lose_commit and is_commit(frame):
            self.commit_asked = True
        await self.write(frame, writer, weather)

    def wanted(self, frame: bytes) -> bool:
        """Whether what the server answers is passed on. Raises ConnectionError for the answer to a COMMIT that is to be lost."""
        if self.commit_asked:
            self.proxy.count()
            raise ConnectionResetError
        if not self.proxy.kafka or not self.doubled:
            return True
        asked = correlation(frame, 4)
        left = self.doubled.get(asked)
        if left is None:
            return True
        self.doubled[asked] = left - 1
        if left == 1:
            del self.doubled[asked]
        return left > 1

    async def write(self, frame: bytes, writer: asyncio.StreamWriter, weather: Weather) -> None:
        """Writes a frame, whole or a little at a time."""
        if not weather.drip_bytes:
            writer.write(frame)
        else:
            for begin in range(0, len(frame), weather.drip_bytes):
                writer.write(frame[begin : begin + weather.drip_bytes])
                await writer.drain()
                await asyncio.sleep(DRIP_SECONDS)
        await writer.drain()

    def reset(self) -> None:
        """Ends both sides at once, as a machine does that was switched off: no farewell, only RST."""
        for writer in (self.client, self.server):
            found = writer.get_extra_info("socket")
            if found is not None:
                with suppress(OSError):
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """A port that leads to a server. It is taken at once: a free one that is only known could be somebody else's by the time that it is used."""

    def __init__(self, target: int, *, kafka: bool) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.target, self.kafka = target, kafka
        self.weather = FINE
        self.links: set[Link] = set()
        # So often its weather did something to a frame of a kind.
        self.done = 0

    def count(self) -> None:
        """It did something."""
        self.done += 1

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A new connection."""
        try:
            from_server, server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link(self, writer, server)
        self.links.add(link)
        try:
            await link.run(reader, from_server)
        finally:
            self.links.discard(link)
            link.reset()


class Network:
    """All proxies, on a thread of their own; a context manager."""

    def __init__(self, *proxies: Proxy) -> None:
        self.proxies = proxies
        self.ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), name="network", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        self.loop, self.over = self.ready.result()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join()

    async def serve(self) -> None:
        """Until it is over; then every connection ends with it."""
        over = asyncio.Event()
        servers = [await asyncio.start_server(one.accept, sock=one.listening) for one in self.proxies]
        self.ready.set_result((asyncio.get_running_loop(), over))
        await over.wait()
        for server in servers:
            server.close()
        # Each ends as if the other side had been switched off, and its task with it.
        while any(one.links for one in self.proxies):
            for one in self.proxies:
                for link in list(one.links):
                    link.reset()
            await asyncio.sleep(LOOK_SECONDS)

    def clear(self) -> None:
        """Fine weather everywhere."""
        for one in self.proxies:
            one.weather = FINE

    def reset(self, proxy: Proxy) -> int:
        """Ends every connection through a proxy; how many there were."""
        links = list(proxy.links)
        for link in links:
            self.loop.call_soon_threadsafe(link.reset)
        return len(links)
