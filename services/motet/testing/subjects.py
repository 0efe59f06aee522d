"""Keys of personal values for a rehearsal: one for each subject, derived from its name, so that two rehearsals say the same."""

from __future__ import annotations

import hashlib

from motet.personal.sealing import Key, NoSuchKey


class KeysInMemory:
    """Keys that are made when they are asked for."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Key] = {}

    def of(self, tenant: str, subject: str) -> Key:
        """The key of a subject."""
        secret = hashlib.sha256(f"{tenant}\n{subject}".encode()).digest()
        key = Key(secret.hex()[:32], secret)
        self.known[tenant, key.key_id] = key
        return key

    def named(self, tenant: str, key_id: str) -> Key:
        """The key of an id. Raises NoSuchKey."""
        key = self.known.get((tenant, key_id))
        if key is None:
            raise NoSuchKey(f"tenant {tenant} has no key {key_id}")
        return key

    def close(self) -> None:
        """Nothing is open."""
