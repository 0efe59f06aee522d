"""Leases on etcd, by its HTTP/JSON gateway.

The recipe of etcd's own lock (concurrency.Mutex), for several resources at once: one transaction puts a key in the line of each of them, so
that all have one create revision; who has the lowest in all its lines holds. Create revisions are etcd's log order, so waiting has one order
and cannot deadlock, and the create revision is the fencing token. An etcd lease is attached to the keys: when it ends, they are gone.
"""

from __future__ import annotations

import base64
import json
import math
import threading
import time
import uuid
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2

from motet.client.leases.interface import BadRequest, Holding, Lease, LeaseError, LeaseLost, NotGranted

LOOK_SECONDS: Final = 0.05
ANSWER_SECONDS: Final = 10.0


class EtcdLeases:
    """Leases of one scope for one holder on the etcd at a URL, such as http://127.0.0.1:2379.

    Durations are whole seconds, rounded up, and etcd has a least one (some 2 s, by its election timeout). A holder is granted when it looks,
    every 50 ms while it waits.
    """

    def __init__(self, url: str, scope: str, holder: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=ANSWER_SECONDS)
        self.scope, self.who = scope, holder
        self.pause = threading.Event()
        # The server's clock, as its last answer had it, in whole seconds.
        self.clock = 0.0

    def close(self) -> None:
        """Ends the connection."""
        self.http.close()

    # -- the interface -----------------------------------------------------------------------------------------------------

    def acquire(self, resources: Sequence[str], *, duration_seconds: float, wait_seconds: float = 0.0) -> Lease:
        """All resources or none, in the order of etcd's log. Raises NotGranted, BadRequest."""
        names = tuple(sorted(set(resources)))
        if not names or not 0 < duration_seconds < math.inf or not 0 <= wait_seconds < math.inf:
            raise BadRequest("a lease needs a resource, a duration above 0 and a wait of 0 or more")
        until = time.monotonic() + wait_seconds
        # While it waits it lives for the wait; what it holds, it holds for its duration from the grant on.
        waiting = self.grant(wait_seconds + 1)
        lease_id = uuid.uuid4().hex
        keys = [self.key(name, lease_id) for name in names]
        value = text(json.dumps({"holder": self.who, "expires_at": 0}))
        puts = [{"requestPut": {"key": key, "value": value, "lease": waiting}} for key in keys]
        revision = int(self.ask("kv/txn", {"success": puts})["header"]["revision"])
        while not all(self.first(name) == revision for name in names):
            if time.monotonic() >= until:
                self.ask("lease/revoke", {"ID": waiting})
                raise NotGranted(f"{', '.join(names)}: not within {wait_seconds:g} s")
            self.pause.wait(LOOK_SECONDS)
        return self.hold(Lease(lease_id, names, self.who, revision, 0.0), duration_seconds, waiting)

    def renew(self, lease: Lease, duration_seconds: float) -> Lease:
        """The lease, held from now on for so long: its keys get another etcd lease. Raises LeaseLost, BadRequest."""
        if not 0 < duration_seconds < math.inf:
            raise BadRequest(f"duration_seconds is {duration_seconds:g}; it is above 0")
        return self.hold(lease, duration_seconds, self.attached(lease))

    def release(self, lease: Lease) -> None:
        """Gives a lease back. Raises LeaseLost."""
        deletes = [{"requestDeleteRange": {"key": key}} for key in self.keys(lease)]
        if not self.ask("kv/txn", {"compare": self.same(lease), "success": deletes}).get("succeeded"):
            raise lost(lease)

    def holder(self, resource: str) -> Holding | None:
        """Who holds a resource. A linearizable read."""
        found = self.line(resource)
        value: dict[str, Any] = json.loads(base64.b64decode(found["value"])) if found else {}
        if found is None or not value["expires_at"]:
            return None
        return Holding(resource, value["holder"], int(found["create_revision"]), value["expires_at"])

    # -- etcd --------------------------------------------------------------------------------------------------------------

    def hold(self, lease: Lease, seconds: float, former: str) -> Lease:
        """Attaches the keys to a new etcd lease, if they are there still; the former one ends."""
        fresh, expires_at = self.grant(seconds), self.clock + math.ceil(seconds)
        value = text(json.dumps({"holder": self.who, "expires_at": expires_at}))
        puts = [{"requestPut": {"key": key, "value": value, "lease": fresh}} for key in self.keys(lease)]
        if not self.ask("kv/txn", {"compare": self.same(lease), "success": puts}).get("succeeded"):
            self.ask("lease/revoke", {"ID": fresh})
            raise lost(lease)
        self.ask("lease/revoke", {"ID": former})
        return Lease(lease.lease_id, lease.resources, lease.holder, lease.token, expires_at)

    def same(self, lease: Lease) -> list[dict[str, Any]]:
        """The comparison that says that a lease's keys are its own still."""
        return [
            {"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": lease.token}
            for key in self.keys(lease)
        ]

    def attached(self, lease: Lease) -> str:
        """The etcd lease of a lease's keys."""
        found = self.ask("kv/range", {"key": self.keys(lease)[0]}).get("kvs", ())
        if not found or int(found[0]["create_revision"]) != lease.token:
            raise lost(lease)
        return str(found[0]["lease"])

    def first(self, resource: str) -> int:
        """The create revision of the first key in a resource's line; 0 if there is none."""
        found = self.line(resource)
        return int(found["create_revision"]) if found else 0

    def line(self, resource: str) -> dict[str, Any] | None:
        """The first key in a resource's line."""
        prefix = self.prefix(resource)
        asked = {"key": text(prefix), "range_end": text(prefix[:-1] + "0"), "limit": 1}
        found = self.ask("kv/range", asked | {"sort_target": "CREATE", "sort_order": "ASCEND"}).get("kvs", ())
        return dict(found[0]) if found else None

    def grant(self, seconds: float) -> str:
        """A new etcd lease."""
        return str(self.ask("lease/grant", {"TTL": max(1, math.ceil(seconds))})["ID"])

    def ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request. Raises LeaseError where etcd does not answer."""
        try:
            answer = self.http.post(f"/v3/{what}", json=body)
        except httpx2.HTTPError as error:
            raise LeaseError(f"etcd at {self.http.base_url} does not answer: {error}") from error
        self.clock = parsedate_to_datetime(answer.headers["date"]).timestamp()
        if what == "lease/revoke":
            # What ended by itself is as good as revoked.
            return {}
        if answer.is_error:
            raise LeaseError(f"etcd refuses {what}: {answer.text[:200]}")
        return dict(answer.json())

    def prefix(self, resource: str) -> str:
        """Where a resource's line is; in hex, so that no name is the beginning of another one's line."""
        return f"/motet/leases/{self.scope.encode().hex()}/{resource.encode().hex()}/"

    def key(self, resource: str, lease_id: str) -> str:
        """The place of a lease in a resource's line."""
        return text(self.prefix(resource) + lease_id)

    def keys(self, lease: Lease) -> list[str]:
        """The places of a lease."""
        return [self.key(name, lease.lease_id) for name in lease.resources]


def text(value: str) -> str:
    """A key or value as the gateway takes it."""
    return base64.b64encode(value.encode()).decode()


def lost(lease: Lease) -> LeaseLost:
    """What is raised for a lease whose keys are gone."""
    return LeaseLost(f"lease {lease.lease_id} is over, or has another token than {lease.token}: ask for a new one")
