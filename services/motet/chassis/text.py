"""Texts as PostgreSQL can hold them."""

from __future__ import annotations


def printable(text: str) -> str:
    """A text without NUL, which PostgreSQL's text knows not: it is written as the two characters backslash and 0."""
    return text.replace("\0", "\\0")


def readable(key: bytes) -> str:
    """A key's bytes as text for people."""
    return printable(key.decode("utf-8", "backslashreplace"))
