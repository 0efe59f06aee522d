"""A payment service for the examples: it writes down what it does, one line each, before it answers.

python examples/payments.py [PORT]

`/charges` and `/refunds` honour `Idempotency-Key`, as payment services do; `/letters` does not. `GET /charges/KEY` says whether a key's charge
was made. An account named "closed" takes no refund. The `trouble` of a request: "busy" is 503 with Retry-After at a key's first request, "down" is 503 always, "mute" does it and hangs
up without an answer at a key's first request, "slow" answers after two seconds.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

lock = threading.Lock()
receipts: dict[str, dict[str, Any]] = {}
seen: set[str] = set()


class Payments(BaseHTTPRequestHandler):
    """One connection's requests."""

    def do_GET(self) -> None:
        """Says whether a key's effect was applied."""
        self.answer(200, {"made": self.path.rpartition("/")[2] in receipts})

    def do_POST(self) -> None:
        """Applies an effect, or misbehaves."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key, trouble = self.headers["Idempotency-Key"], asked.pop("trouble", "")
        with lock:
            first = key not in seen
            seen.add(key)
            if trouble == "down" or (trouble == "busy" and first):
                self.answer(503, {"why": "busy"})
                return
            if self.path == "/refunds" and asked["account"] == "closed":
                self.answer(410, {"why": "the account is closed"})
                return
            if key not in receipts or self.path == "/letters":
                receipts[key] = {"receipt": f"R{len(receipts) + 1}", **asked}
                print(self.path, json.dumps(asked), flush=True)
        if trouble == "slow":
            threading.Event().wait(2)
        if trouble != "mute" or not first:
            self.answer(200, receipts[key])

    def answer(self, status: int, body: dict[str, Any]) -> None:
        """Sends an answer."""
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Requests are not logged: what was done is."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 8099), Payments) as server:
        print(f"payments on http://127.0.0.1:{server.server_port}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")
