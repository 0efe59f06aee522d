"""Files that somebody signs: a note of their SHA-256, as an answer to a question has it, with the evidence beside it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from motet.chassis.errors import ConfigurationError
from motet.proofs.keyring import Keyring
from motet.proofs.note import NotANote, Note, PrivateKey

# No checkpoint begins so: who signs files signs no log.
HEAD: Final = "motet files"
LINE: Final = re.compile(r"([0-9a-f]{64})  ([^/\s][^/\n]*)")


def sign(files: Sequence[Path], key: PrivateKey) -> str:
    """A note of files: their names, without their folders, and SHA-256. Raises ConfigurationError for one that cannot be read or named."""
    lines = [HEAD]
    for file in files:
        line = f"{digest_of(file)}  {file.name}"
        if not LINE.fullmatch(line):
            raise ConfigurationError(
                f"{file} has a name that a note cannot carry: no spaces at its beginning, no line's end"
            )
        lines.append(line)
    if len({file.name for file in files}) < len(files):
        raise ConfigurationError("two of the files have one name: a note names files without their folders")
    return key.sign("\n".join(lines) + "\n")


def is_note(content: bytes) -> bool:
    """Whether a file is such a note."""
    return content.startswith(f"{HEAD}\n".encode())


def check(content: bytes, folder: Path, keyring: Keyring) -> tuple[list[str], list[str], list[str]]:
    """The files that are as they were signed, by whom, and what is wrong, in sentences."""
    try:
        note = Note.parse(content.decode())
    except (UnicodeDecodeError, NotANote) as error:
        return [], [], [str(error)]
    good, bad = note.signers({key_id: one.key for key_id, one in keyring.trusted.items()})
    wrong = [f"the signature of {one.name} does not fit" for one in bad]
    if not good:
        wrong.append("nobody whom you trust signed it")
    named: list[str] = []
    for line in note.text.splitlines()[1:]:
        match = LINE.fullmatch(line)
        if match is None:
            wrong.append(f"{line[:80]!r} names no file")
            continue
        wrong += faults(folder / match[2], match[1])
        named.append(match[2])
    return named, [key.name for key in good], wrong


def faults(file: Path, digest: str) -> Iterator[str]:
    """What is wrong with a file, in a sentence."""
    try:
        found = digest_of(file)
    except ConfigurationError as error:
        yield str(error)
        return
    if found != digest:
        yield f"{file.name} was changed: it has the SHA-256 {found[:12]}…, and {digest[:12]}… was signed"


def digest_of(file: Path) -> str:
    """SHA-256 of a file. Raises ConfigurationError."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
