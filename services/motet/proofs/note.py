"""Signed notes: a text that people read, and under it who signed it, with Ed25519.

The format is that of Go's checksum database and of transparency logs (C2SP, signed-note; golang.org/x/mod/sumdb/note), and so are those of
the keys: other tools open these notes. What is read is what was signed, byte for byte; JSON would first need a rule for its one right form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519: Final = b"\x01"
KEY_BYTES: Final = 32
ID_BYTES: Final = 4
SIGNATURE_BYTES: Final = 64
DASH: Final = "— "
NAME: Final = re.compile(r"[^\s+]{1,100}")
PUBLIC: Final = re.compile(r"(?P<name>[^\s+]{1,100})\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/]+=*)")
PRIVATE: Final = "PRIVATE+KEY+"
SIGNATURE: Final = re.compile(DASH + r"(?P<name>[^\s+]{1,100}) (?P<signature>[A-Za-z0-9+/]+=*)")


class NotANote(ValueError):
    """A text is no signed note, or a line is no key; the message says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Who may have signed."""

    name: str
    key: bytes

    @property
    def id(self) -> str:
        """The key's id in hex: a hash of its name and itself."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.key).digest()[:ID_BYTES].hex()

    def __str__(self) -> str:
        return f"{self.name}+{self.id}+{base64.b64encode(ED25519 + self.key).decode()}"

    @staticmethod
    def parse(text: str) -> PublicKey:
        """A key from its line. Raises NotANote, whose message has nothing of a private one."""
        refuse_private(text)
        match = PUBLIC.fullmatch(text)
        data = decoded(match["key"], KEY_BYTES + 1) if match else None
        if match is None or data is None or data[:1] != ED25519:
            raise NotANote(f"{text[:80]!r} is no public key: a line of `motet checkpoint keygen` is name+id+key")
        found = PublicKey(match["name"], data[1:])
        if found.id != match["id"]:
            raise NotANote(
                f"public key {found.name} says that its id is {match['id']}, and it is {found.id}: it was changed"
            )
        return found

    def signed(self, text: str, signature: bytes) -> bool:
        """Whether this key made a signature of a text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """What signs. It does not print itself."""

    name: str
    secret: bytes

    @staticmethod
    def generate(name: str) -> PrivateKey:
        """A new key. Raises NotANote for a name that a note cannot carry."""
        if not NAME.fullmatch(name):
            raise NotANote(f"a key's name has 1 to 100 characters without spaces and plus signs, not {name[:120]!r}")
        return PrivateKey(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @staticmethod
    def parse(text: str) -> PrivateKey:
        """A key from its line. Raises NotANote, whose message has nothing of the line."""
        match = PUBLIC.fullmatch(text.removeprefix(PRIVATE)) if text.startswith(PRIVATE) else None
        data = decoded(match["key"], KEY_BYTES + 1) if match else None
        if match is None or data is None or data[:1] != ED25519:
            raise NotANote("this is no private key: `motet checkpoint keygen` writes one")
        found = PrivateKey(match["name"], data[1:])
        if found.public.id != match["id"]:
            raise NotANote("this private key is not the one that its id names: it was changed")
        return found

    @property
    def public(self) -> PublicKey:
        """What others check its signatures with."""
        key = Ed25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw()
        return PublicKey(self.name, key)

    def line(self) -> str:
        """The key as its file has it."""
        return f"{PRIVATE}{self.name}+{self.public.id}+{base64.b64encode(ED25519 + self.secret).decode()}"

    def sign(self, text: str) -> str:
        """A note: the text, which ends with a line's end, and the signature below it. The same text always has the same note."""
        if not text.endswith("\n") or "\n\n" in text:
            raise NotANote("a note's text ends with the end of a line and has no empty one")
        signature = Ed25519PrivateKey.from_private_bytes(self.secret).sign(text.encode())
        packed = base64.b64encode(bytes.fromhex(self.public.id) + signature).decode()
        return f"{text}\n{DASH}{self.name} {packed}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """A line under a note."""

    name: str
    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it was read; nobody has looked at its signatures yet."""

    text: str
    signatures: tuple[Signature, ...]

    @staticmethod
    def parse(content: str) -> Note:
        """A note. Raises NotANote."""
        text, found, below = content.rpartition("\n\n")
        if not found or not below.endswith("\n"):
            raise NotANote("this is no signed note: a text, an empty line, and lines that begin with a dash")
        signatures = []
        for line in below.removesuffix("\n").split("\n"):
            match = SIGNATURE.fullmatch(line)
            data = decoded(match["signature"], ID_BYTES + SIGNATURE_BYTES) if match else None
            if match is None or data is None:
                raise NotANote(f"{line[:80]!r} is no signature")
            signatures.append(Signature(match["name"], data[:ID_BYTES].hex(), data[ID_BYTES:]))
        return Note(f"{text}\n", tuple(signatures))

    def signers(self, keys: Mapping[str, PublicKey]) -> tuple[list[PublicKey], list[Signature]]:
        """Keys, by id, that signed it, and signatures under their names that they did not make. Others' signatures are left alone."""
        good: list[PublicKey] = []
        bad: list[Signature] = []
        for one in self.signatures:
            key = keys.get(one.key_id)
            if key is None or key.name != one.name:
                continue
            if key.signed(self.text, one.signature):
                good.append(key)
            else:
                bad.append(one)
        return good, bad


def refuse_private(text: str) -> None:
    """Raises NotANote where a private key is given in a public one's place; what is wrong with that is not shown."""
    if PRIVATE in text:
        raise NotANote("this is a private key: the public one is in the file beside it, FILE.pub")


def decoded(text: str, length: int) -> bytes | None:
    """The bytes of a base64 text in its one right form; None if it is none, or of another length."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return data if len(data) == length and base64.b64encode(data).decode() == text else None
