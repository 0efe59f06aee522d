"""The place where checkpoints are kept: files that are only ever added, whole or not at all.

`0000000042.note` is what was signed, for people and for any tool that opens signed notes; `0000000042.leaves` is what is kept beside it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from motet.chassis.errors import ConfigurationError, Refused
from motet.proofs import leaves
from motet.proofs.checkpoint import Place
from motet.proofs.leaves import Grown, NoLeaves

NOTE: Final = ".note"
LEAVES: Final = ".leaves"
NAME: Final = re.compile(r"(\d{10})\.note")
READ_ONLY: Final = 0o444


class Directory:
    """Checkpoints in a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # What was read last beside a checkpoint: a verification asks for each partition of it.
        self.last: tuple[int, dict[Place, Grown] | None] = (0, None)

    def numbers(self) -> list[int]:
        """The numbers that are there, in order. Raises ConfigurationError if there is no such folder."""
        try:
            names = [one.name for one in self.path.iterdir()]
        except OSError as error:
            raise ConfigurationError(f"checkpoints are read from {self.path}: {error.strerror}") from error
        return sorted(int(match[1]) for match in map(NAME.fullmatch, names) if match)

    def notes(self) -> Iterator[tuple[int, str]]:
        """Every note, in order, with the number that its file is called by; a long chain is not in memory at once."""
        for number in self.numbers():
            yield number, self.note(number)

    def note(self, number: int) -> str:
        """A note. What is no text is no note, and is said to be none where it is parsed."""
        return self.file(number, NOTE).read_bytes().decode(errors="replace")

    def leaves(self, number: int) -> dict[Place, Grown] | None:
        """What is kept beside a checkpoint; None if it is not there, or no such thing."""
        if self.last[0] != number:
            try:
                self.last = (number, leaves.read(self.file(number, LEAVES).read_bytes()))
            except (OSError, NoLeaves):
                self.last = (number, None)
        return self.last[1]

    def keep(self, number: int, note: str, beside: bytes | None) -> None:
        """Keeps a checkpoint; what is kept beside it comes first, so that a note is never without. Kept twice, it is kept once.

        Raises Refused if another one is kept under its number, ConfigurationError if the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for kind, content in ((LEAVES, beside), (NOTE, note.encode())):
                target = self.file(number, kind)
                if content is None:
                    continue
                if not target.exists():
                    self.write(target, content)
                elif target.read_bytes() != content:
                    raise Refused(
                        f"{target} is there, and is not what is to be kept: two chains must not share a folder; look at both, and give "
                        "this one a folder of its own"
                    )
        except OSError as error:
            raise ConfigurationError(f"checkpoint {number} cannot be kept in {self.path}: {error.strerror}") from error

    def write(self, target: Path, content: bytes) -> None:
        """A file that is there whole, also after a power cut, or not at all. Raises FileExistsError."""
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), READ_ONLY)
            os.fsync(file.fileno())
        try:
            # A link never takes the place of a file that is there, as renaming does.
            target.hardlink_to(partial)
        finally:
            partial.unlink()
        handle = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def file(self, number: int, kind: str) -> Path:
        """A file's path."""
        return self.path / f"{number:010}{kind}"
