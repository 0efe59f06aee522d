"""A lease as its row keeps it: one JSON text."""

from __future__ import annotations

import json
from dataclasses import astuple

from motet.leases.lease import Lease


def to_state(lease: Lease) -> str:
    """The lease's row. ASCII, because PostgreSQL's text holds no NUL and JSON's escapes hold everything."""
    return json.dumps(astuple(lease), separators=(",", ":"))


def from_state(state: str) -> Lease:
    """The lease of a row."""
    lease_id, tenant, domain, holder, resources, *rest = json.loads(state)
    return Lease(lease_id, tenant, domain, holder, tuple(resources), *rest)
