"""Machines and a pager for the example: what is done to them is written down, one line each, before it is answered.

python examples/incident/machines.py [PORT]

Nothing here honours an `Idempotency-Key`: a restart that is asked for twice is two restarts. `node-7` restarts and takes its answer down with
it; `node-9` hangs up first, and does not restart at the first request of an incident. `GET /nodes/NAME` says how a machine is, `GET /log/INCIDENT` what was done.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

lock = threading.Lock()
nodes: dict[str, dict[str, Any]] = {}
done: list[tuple[str, str]] = []
asked_before: set[tuple[str, str]] = set()


class Machines(BaseHTTPRequestHandler):
    """One connection's requests."""

    def do_GET(self) -> None:
        """Says how a machine is, or what was done in an incident."""
        what, name = self.path.strip("/").split("/")
        with lock:
            found = [line for incident, line in done if incident == name]
            self.answer(nodes.get(name, {}) if what == "nodes" else {"done": found})

    def do_POST(self) -> None:
        """Does what is asked, or hangs up."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        incident, (what, name) = asked["incident"], self.path.strip("/").split("/")
        with lock:
            first = (incident, self.path) not in asked_before
            asked_before.add((incident, self.path))
            if what == "restart" and name == "node-9" and first:
                return
            self.do(incident, what, name, asked.get("text", ""))
            if what == "restart" and name == "node-7" and first:
                return
            self.answer(nodes.get(name, {}))

    def do(self, incident: str, what: str, name: str, text: str) -> None:
        """Does one thing and writes it down."""
        node = nodes.setdefault(name, {"healthy": True, "serving": True, "boots": 1}) if what != "page" else {}
        if what == "break":
            node["healthy"] = False
            return
        if what == "restart":
            node.update(healthy=True, boots=node["boots"] + 1)
        elif what in ("drain", "readmit"):
            node["serving"] = what == "readmit"
        line = f"{what} {name} {text}".rstrip()
        done.append((incident, line))
        print(incident, line, flush=True)

    def answer(self, body: dict[str, Any]) -> None:
        """Sends an answer."""
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Requests are not logged: what was done is."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 8098), Machines) as server:
        print(f"machines on http://127.0.0.1:{server.server_port}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped")
