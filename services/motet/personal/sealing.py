"""Sealed text: a value encrypted with its subject's key, AES-256-GCM (NIST SP 800-38D).

    sealed.v1.KEY_ID.BODY        BODY: base64url of nonce (12 bytes), ciphertext, tag (16 bytes)

The same value of the same subject is the same text, for a command that is sent again must have the same content: the nonce is a MAC of the value
(as in SIV, RFC 5297, with HMAC-SHA-256), and so repeats with the value and not otherwise. Who reads sealed texts can see that two values of one
subject are equal, and how long they are. Tenant and key id are authenticated with it, so that no text can be moved to another tenant.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from motet.chassis.canonical import canonical_json
from motet.chassis.errors import MotetError
from motet.personal.text import BEGIN, HIDDEN, SEALED, is_sealed

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
# A shorter text may stand anywhere by chance, and is not looked for in what a tool says; of a longer one no piece of so many characters is left.
LEAST_CHARACTERS: Final = 3
PIECE: Final = 8


class KeyErased(MotetError):
    """The subject was erased: nothing new is sealed for it, and nothing of it can be opened. Nobody tries again."""


class NoSuchKey(MotetError):
    """Sealed text that no key of the tenant opens: another tenant's, damaged, or made up. Nobody tries again."""


@dataclass(frozen=True, slots=True)
class Key:
    """A subject's key. Its id, a random one, says nothing of the subject."""

    key_id: str
    secret: bytes

    def __repr__(self) -> str:
        """Without the secret: keys must not reach a log."""
        return f"Key({self.key_id})"


class Keys(Protocol):
    """Where keys are: `motet.chassis.subject_keys`."""

    def of(self, tenant: str, subject: str) -> Key:
        """The key of a subject, made if there is none. Raises KeyErased."""

    def named(self, tenant: str, key_id: str) -> Key:
        """The key of an id. Raises KeyErased, NoSuchKey."""


def derived(key: Key, use: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA-256 under a key, for one use of it."""
    found = hmac.new(key.secret, use, hashlib.sha256)
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.digest()


def seal(key: Key, tenant: str, value: Any) -> str:
    """Sealed text of a JSON value."""
    data = canonical_json(value).encode()
    about = f"{tenant}\n{key.key_id}".encode()
    nonce = derived(key, b"motet nonce", about, data)[:NONCE_BYTES]
    body = nonce + AESGCM(derived(key, b"motet cipher")).encrypt(nonce, data, about)
    return f"{BEGIN}{key.key_id}.{urlsafe_b64encode(body).decode().rstrip('=')}"


def unseal(keys: Keys, tenant: str, text: str) -> Any:
    """The value of sealed text. Raises KeyErased, NoSuchKey."""
    found = SEALED.fullmatch(text)
    if found is None:
        raise NoSuchKey(f"{text[:60]!r} is no sealed text")
    key = keys.named(tenant, found[1])
    try:
        body = urlsafe_b64decode(found[2] + "=" * (-len(found[2]) % 4))
        data = AESGCM(derived(key, b"motet cipher")).decrypt(
            body[:NONCE_BYTES], body[NONCE_BYTES:], f"{tenant}\n{key.key_id}".encode()
        )
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise NoSuchKey(f"sealed text of key {key.key_id} is not as it was written") from error
    return json.loads(data)


def opened(value: Any, of: Callable[[str], Any]) -> Any:
    """A JSON value with every sealed text in it replaced by what `of` says of it."""
    if isinstance(value, dict):
        return {name: opened(one, of) for name, one in value.items()}
    if isinstance(value, list):
        return [opened(one, of) for one in value]
    return of(value) if is_sealed(value) else value


def texts(value: Any) -> Iterator[str]:
    """How the parts of a personal value may stand in a sentence."""
    if isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif value is not None and not isinstance(value, bool):
        text = str(value)
        yield from {text, repr(text)[1:-1], json.dumps(text)[1:-1]}


class Sealer:
    """Opens what one call was given, seals what it gives back, and hides what it was given from what it says.

    Not for two calls: what was opened for one must not be looked for in what another one says.
    """

    def __init__(self, keys: Keys | None, tenant: str) -> None:
        self.keys = keys
        self.tenant = tenant
        self.known: set[str] = set()
        self.pieces: tuple[int, frozenset[str]] = (0, frozenset())
        self.ready: dict[str, Key] = {}

    def prepare(self, subject: str) -> Key:
        """Gets a subject's key, so that nothing can stand in the way of sealing later. Raises KeyErased; NoSuchKey where nobody has keys."""
        key = self.ready.get(subject)
        if key is None:
            key = self.ready[subject] = self.held().of(self.tenant, subject)
        return key

    def seal(self, subject: str, value: Any) -> str:
        """Sealed text for a subject. Raises as `prepare` does."""
        self.known.update(texts(value))
        return seal(self.prepare(subject), self.tenant, value)

    def unseal(self, text: str) -> Any:
        """The value of one sealed text."""
        value = unseal(self.held(), self.tenant, text)
        self.known.update(texts(value))
        return value

    def held(self) -> Keys:
        """The keys."""
        if self.keys is None:
            raise NoSuchKey("there are sealed values, and nobody said where the keys are: set MOTET_SUBJECT_KEYS_URL")
        return self.keys

    def known_pieces(self) -> frozenset[str]:
        """Every piece of what is known, made anew only when more is."""
        if self.pieces[0] != len(self.known):
            found = (one[place : place + PIECE] for one in self.known for place in range(len(one) - PIECE + 1))
            self.pieces = len(self.known), frozenset(found)
        return self.pieces[1]

    def without(self, value: Any) -> Any:
        """A JSON value without what was opened or sealed here, in its texts, names and numbers."""
        if isinstance(value, dict):
            return {self.hidden(name): self.without(one) for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.without(one) for one in value]
        if isinstance(value, str):
            return self.hidden(value)
        hides = isinstance(value, (int, float)) and not isinstance(value, bool) and str(value) in self.known
        return HIDDEN if hides else value

    def hidden(self, text: str) -> str:
        """A sentence without what was opened or sealed here, also where only a piece of it is left."""
        if not self.known:
            return text
        covered = bytearray(len(text))
        for one in self.known:
            if LEAST_CHARACTERS <= len(one) < PIECE:
                for found in re.finditer(re.escape(one), text):
                    covered[found.start() : found.end()] = b"\1" * len(one)
        pieces = self.known_pieces()
        for place in range(len(text) - PIECE + 1 if pieces else 0):
            if text[place : place + PIECE] in pieces:
                covered[place : place + PIECE] = b"\1" * PIECE
        out = []
        for place, character in enumerate(text):
            if not covered[place]:
                out.append(character)
            elif not place or not covered[place - 1]:
                out.append(HIDDEN)
        return "".join(out)
