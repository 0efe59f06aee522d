"""Canonical JSON (RFC 8785) and digests: the same value always has the same bytes, and so the same SHA-256.

`json.dumps` with sorted keys gives RFC 8785's bytes for nearly all real values and is ten times as fast. It differs for floats
(`1.0` is `1`), for integers beyond 2**53 and in the order of keys outside the Basic Multilingual Plane; those go through `rfc8785`.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import rfc8785

# A fraction, an exponent or sixteen digits in a row may be a number that RFC 8785 writes in another way. A match inside a string
# only costs the slow path.
encode_sorted = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
encode_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
MAYBE_DIFFERENT = re.compile(r"[0-9][.eE]|[0-9]{16}")


class NotCanonical(ValueError):
    """A value has no canonical form: NaN, infinity, an integer beyond 2**53, a lone surrogate, or no JSON type at all."""


def canonical_json(value: object) -> str:
    """The RFC 8785 text of a JSON value.

    Raises NotCanonical for values that JSON, or the integers that every language can read (±2**53), cannot carry.
    """
    try:
        text = encode_sorted(value)
        if text.isascii() and not MAYBE_DIFFERENT.search(text):
            return text
        text.encode()
        exact: bytes = rfc8785.dumps(json.loads(text))
        return exact.decode()
    except (ValueError, TypeError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise NotCanonical(f"no canonical JSON for this value: {error}") from error


def digest(*parts: str | bytes) -> str:
    """SHA-256 in hex over the parts, each with its length before it, so that two lists of parts never share their bytes."""
    whole: list[bytes] = []
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        whole += (len(data).to_bytes(8, "big"), data)
    return hashlib.sha256(b"".join(whole)).hexdigest()


def sha256_text(text: str) -> str:
    """SHA-256 in hex of a text's UTF-8 bytes: what anyone can check with `sha256sum`."""
    return hashlib.sha256(text.encode()).hexdigest()


def compact(value: Any) -> str:
    """JSON for our own rows: compact, in the order given."""
    return encode_compact(value)
