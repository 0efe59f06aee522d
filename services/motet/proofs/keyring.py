"""Public keys, and which checkpoints each may sign: a key that was changed signs up to a number, its successor from there on.

The range is of numbers and not of times. A time is what the signer says, so whoever has a lost key could date a checkpoint back; a number
below the range's end is held by the digests of all that came after it, which other keys signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from motet.proofs.note import NotANote, Note, PublicKey, refuse_private

LINE: Final = re.compile(r"(?P<key>\S+)(?: +from +(?P<first>[1-9][0-9]*))?(?: +to +(?P<last>[1-9][0-9]*))?")


@dataclass(frozen=True, slots=True)
class Trusted:
    """A key, and the first and the last number that it may sign."""

    key: PublicKey
    first: int = 1
    last: int | None = None

    def covers(self, number: int) -> bool:
        """Whether it may sign a checkpoint."""
        return number >= self.first and (self.last is None or number <= self.last)

    @property
    def range(self) -> str:
        """The range in words."""
        return f"from {self.first}" if self.last is None else f"from {self.first} to {self.last}"


class Keyring:
    """The keys that somebody trusts."""

    def __init__(self, trusted: Iterable[Trusted]) -> None:
        self.trusted = {one.key.id: one for one in trusted}

    @staticmethod
    def parse(text: str) -> Keyring:
        """Keys from a file: one a line, `name+id+key from 1 to 99`; lines that begin with # are for people. Raises NotANote."""
        refuse_private(text)
        found = []
        for line in (one.strip() for one in text.splitlines()):
            if line and not line.startswith("#"):
                match = LINE.fullmatch(line)
                if match is None:
                    raise NotANote(
                        f"{line[:120]!r} is no line of public keys: name+id+key, then perhaps `from N` and `to M`"
                    )
                last = match["last"]
                found.append(
                    Trusted(PublicKey.parse(match["key"]), int(match["first"] or 1), int(last) if last else None)
                )
        if not found:
            raise NotANote("there is no public key in it: `motet checkpoint keygen` writes a line to put there")
        return Keyring(found)

    def fault(self, note: Note, number: int) -> str | None:
        """Why a note is not signed as it must be, in words; None if it is."""
        good, bad = note.signers({key_id: one.key for key_id, one in self.trusted.items()})
        if bad:
            return f"its signature by {bad[0].name}+{bad[0].key_id} does not fit the text: one of them was changed"
        outside = [self.trusted[key.id] for key in good if not self.trusted[key.id].covers(number)]
        if good and len(outside) == len(good):
            return f"it is signed by {good[0].name}+{good[0].id}, which signs {outside[0].range} only"
        if not good:
            names = ", ".join(f"{one.name}+{one.key_id}" for one in note.signatures)
            return f"it is signed by {names}, which is no key that you trust"
        return None
