"""The witness: an HTTP service that applies effects and keeps its own account of them, which nobody else writes.

`python witness_server.py DIRECTORY [PORT]` says its port and serves until its standard input ends. `witness.jsonl` in the directory gets one
line for each request received and one for each effect applied, each on disk before anything else happens; a server that is started again
there reads what its predecessor did. `Idempotency-Key` is honoured: the same key gets the recorded answer; with another body 422; while the
first is in progress 409.

| path | what it does |
|---|---|
| `/charge`, any other | applies an effect, once for each key |
| `/nokey` | applies an effect at each request |
| `/lookup/KEY` | says whether a key's effect was applied, by whichever path, and the first one's answer |
| `/page` | text; no effect |
| `/behave` | what its query says holds for every later request that does not say otherwise; no effect |

| query | what it changes |
|---|---|
| `status=503&times=2` | answers so instead, without an effect, the first times for each key; without `times` always |
| `retry_after=1`, `location=/page` | headers of such an answer; `location=again` points to the request itself |
| `delay=5` | the answer comes so many seconds later; an effect is applied at once |
| `apply_then_drop=1` | applies the effect and closes the connection without an answer; a key that has its effect is answered |
| `drop=1` | closes the connection without effect or answer |
| `cut=1` | the answer's body breaks off in the middle |
| `drip=0.1` | the answer's body comes a character at a time, with so many seconds between |
| `bytes=1000` | so many characters are in the answer |
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

LOG: Final = "witness.jsonl"
Answer = dict[str, Any]


class Account:
    """What was applied, on disk before anybody hears of it."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.Lock()
        self.answers: dict[str, tuple[str, Answer]] = {}
        self.open: set[str] = set()
        self.usual: dict[str, str] = {}
        self.refused: dict[tuple[str, str], int] = {}
        self.effects = 0
        for line in path.read_text().splitlines() if path.exists() else ():
            self.take(json.loads(line))
        self.file = path.open("a")

    def take(self, line: dict[str, Any]) -> None:
        """An effect that a line tells of."""
        if line["kind"] == "effect":
            self.effects += 1
            if line["key"]:
                self.answers.setdefault(line["key"], (line["body_sha256"], line["answer"]))

    def write(self, line: dict[str, Any]) -> None:
        """A line, on disk."""
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())

    def apply(self, key: str, path: str, body: str) -> Answer:
        """Applies an effect and returns its answer."""
        answer = {"effect": self.effects + 1, "body": _value(body)}
        line = {"kind": "effect", "key": key, "path": path, "body": _value(body), "body_sha256": _sha256(body)}
        line["answer"] = answer
        self.write(line)
        self.take(line)
        return answer


class Handler(BaseHTTPRequestHandler):
    """One request after the other of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    account: ClassVar[Account]
    ending: ClassVar[threading.Event]

    def log_message(self, *_: Any) -> None:
        """The account says it all."""

    def do_GET(self) -> None:
        """Any method is served in the same way."""
        self.serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  http.server's names

    def serve(self) -> None:
        """Writes down a request, and does what it asks for."""
        url = urlsplit(self.path)
        asked = dict(parse_qsl(url.query))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        key = self.headers.get("Idempotency-Key", "")
        account = self.account
        if url.path == "/behave":
            account.usual = asked
            self.answer(200, asked, {})
            return
        asked = account.usual | asked
        with account.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            line = {"kind": "request", "method": self.command, "path": url.path, "query": asked}
            account.write({**line, "key": key, "headers": headers, "body": _value(body)})
            if "drop" in asked:
                self.drop()
                return
            refused = account.refused.get((url.path, key), 0)
            if "status" in asked and ("times" not in asked or refused < int(asked["times"])):
                account.refused[url.path, key] = refused + 1
                self.answer(int(asked["status"]), {"error": f"asked for {asked['status']}"}, asked)
                return
        reads = url.path == "/page" or url.path.startswith("/lookup/")
        if reads and not self.in_time(asked):
            return
        if url.path.startswith("/lookup/"):
            found = account.answers.get(url.path.removeprefix("/lookup/"))
            self.answer(200, {"applied": found is not None, "answer": found and found[1]}, asked)
        elif url.path == "/page":
            self.answer(200, "x" * int(asked.get("bytes", 1)), asked)
        else:
            self.effect(url.path, asked, key, body)

    def effect(self, path: str, asked: dict[str, str], key: str, body: str) -> None:
        """Applies an effect, unless its key has it."""
        account, once = self.account, bool(key) and path != "/nokey"
        with account.lock:
            known = account.answers.get(key) if once else None
            if known is not None and known[0] != _sha256(body):
                self.answer(422, {"error": "the key was used with another body"}, asked)
                return
            if once and key in account.open:
                self.answer(409, {"error": "a request with the key is in progress"}, asked)
                return
            if known is not None:
                self.answer(200, known[1], asked)
                return
            answer = account.apply(key, path, body)
            if "apply_then_drop" in asked:
                self.drop()
                return
            if once:
                account.open.add(key)
        if self.in_time(asked):
            with account.lock:
                account.open.discard(key)
            self.answer(200, answer, asked)

    def in_time(self, asked: dict[str, str]) -> bool:
        """Waits as long as the request asks for; if the witness ends before, the connection is closed."""
        if self.ending.wait(float(asked.get("delay", 0))):
            self.drop()
            return False
        return True

    def drop(self) -> None:
        """Closes the connection without a word."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def answer(self, status: int, value: Any, asked: dict[str, str]) -> None:
        """Answers with a JSON value, or a text as it is."""
        plain = isinstance(value, str)
        if not plain and "bytes" in asked:
            value = {**value, "padding": "x" * int(asked["bytes"])}
        # These two have no body.
        data = b"" if status in (204, 304) else (value if plain else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8" if plain else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Set-Cookie", "seen=yes")
        for name, header in (("retry_after", "Retry-After"), ("location", "Location")):
            if name in asked:
                self.send_header(header, self.path if asked[name] == "again" else asked[name])
        self.end_headers()
        if "drip" in asked:
            for place in range(len(data)):
                self.wfile.write(data[place : place + 1])
                self.wfile.flush()
                if self.ending.wait(float(asked["drip"])):
                    break
            return
        if "cut" in asked:
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.drop()
            return
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """The server; connections that break are its business, not the tests' output."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """A client that went away is told of by what it does, not here."""


def _value(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _sha256(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def main(directory: Path, port: int) -> None:
    """Serves until standard input ends."""
    Handler.account = Account(directory / LOG)
    Handler.ending = threading.Event()
    with Server(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)  # noqa: T201  its parent reads it
        sys.stdin.read()
        Handler.ending.set()
        server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int("".join(sys.argv[2:3]) or 0))
