"""A page's console blocks as what they are: commands that somebody types, and what the screen says.

A block is fenced as `console`; each command stands behind `$ `, what it prints below it. `…` in what it prints stands for anything within a
line: ids and times differ from run to run.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BLOCK: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DONE: Final = "-- that was all --"
ELLIPSIS: Final = "…"


@dataclass(frozen=True, slots=True)
class Typed:
    """A command and what it prints."""

    command: str
    output: str

    def says(self, printed: str) -> bool:
        """Whether that is what was printed, but for what differs from run to run and for spaces at the ends of lines."""
        expected = ".*".join(re.escape(part) for part in self.output.split(ELLIPSIS))
        return re.fullmatch(expected, trimmed(printed)) is not None


def trimmed(text: str) -> str:
    """Lines without spaces at their ends."""
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def typed(page: str) -> Iterator[Typed]:
    """The commands of a page, in order."""
    for block in BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield Typed(command, trimmed(output))


class Shell:
    """One shell for all commands of a page, so that what one sets the next one knows."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.child = subprocess.Popen(
            ["bash"],
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> str:
        """What a command prints, errors included."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        # The whole of it, so that in a pipe nothing reads the next command; and in no shell of its own, so that what it sets stays.
        self.child.stdin.write(f"{{ {command}\n}} </dev/null\necho '{DONE}'\n")
        self.child.stdin.flush()
        lines = list(iter(self.child.stdout.readline, f"{DONE}\n"))
        return "".join(lines)

    def close(self) -> None:
        """Ends it."""
        self.child.communicate()
