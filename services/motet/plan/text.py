"""Text that others wrote, made fit for records, tables and eyes."""

from __future__ import annotations

import json
import unicodedata


def unprintable(text: str) -> bool:
    """Whether a text has control characters or halves of surrogate pairs, which tables and terminals cannot show."""
    return not text.isprintable() and any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def carriable(text: str, length: int) -> str:
    """A text of at most so many characters that every reader can take: PostgreSQL knows no NUL, UTF-8 no lone surrogates."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    if cut.isprintable():
        return cut
    return cut.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def carriable_bytes(text: str, size: int) -> str:
    """As `carriable`, of at most so many bytes when it stands as a string in JSON, where a control character takes six."""
    text = carriable(text, size)
    if json_bytes(text) <= size:
        return text
    left = size - json_bytes("…")
    for place, character in enumerate(text):
        left -= json_bytes(character)
        if left < 0:
            return text[:place] + "…"
    return text


def json_bytes(text: str) -> int:
    """The bytes that a text takes as a JSON string, without its quotes."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2
