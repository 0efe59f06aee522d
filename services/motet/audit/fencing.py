"""Fencing tokens never go back."""

from __future__ import annotations

from motet.audit.rule import Found, Hears, Rule
from motet.audit.stored import Stored


class Fencing(Rule):
    """Within a scope each lease is granted with a higher token than all before; what is said of it later has the same token."""

    name = "fencing"
    advice = "whoever compares tokens may have taken a late write for a good one: see what was written under this token"

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        self.tokens: dict[bytes, tuple[int, str]] = {}
        self.held: dict[str, int] = {}

    def hears(self) -> Hears:
        """What is said of leases."""
        return {
            "LeasesGranted": self.granted,
            "LeasesRenewed": self.said,
            "LeasesReleased": self.over,
            "LeasesExpired": self.over,
        }

    def granted(self, record: Stored) -> None:
        """A lease is granted."""
        self.checked += 1
        token = record.data["token"]
        last, where = self.tokens.get(record.key, (0, ""))
        if token <= last:
            scope = record.key.decode(errors="replace")
            self.wrong(record, f"a lease of {scope} is granted with token {token}, and {last} was granted at {where}")
        self.tokens[record.key] = max(last, token), record.where
        self.held[record.data["lease_id"]] = token

    def said(self, record: Stored) -> None:
        """Something is said of a lease that is held."""
        self.checked += 1
        token = record.data["token"]
        held = self.held.get(record.data["lease_id"])
        if held is not None and held != token:
            self.wrong(
                record, f"lease {record.data['lease_id']} has token {token} here, and it was granted with {held}"
            )

    def over(self, record: Stored) -> None:
        """A lease ends."""
        self.said(record)
        self.held.pop(record.data["lease_id"], None)
