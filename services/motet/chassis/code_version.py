"""Which code a process runs: the package's version and a digest of its source, or what MOTET_CODE_VERSION says.

Two processes with one name run one code, whatever they were installed from. It is told in facts, and decides nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).resolve().parents[1]
DIGITS: Final = 12


def of_process(given: str | None, part: str = "") -> str:
    """The code version: what is given, else the package's; and that of a part of its own, such as a toolset."""
    return " ".join(filter(None, (given or of_package(), part)))


@cache
def of_package() -> str:
    """The package's version, and the digest of all its Python files, as 0.1.0+3fa9c1d20b6e."""
    return f"{version('motet')}+{digest(PACKAGE.rglob('*.py'), PACKAGE)}"


def is_compiled() -> bool:
    """Whether the deciders run compiled (deploy/compiling.py). It is the same source, and so the same version."""
    found = find_spec("motet.plan.schedule")
    return found is not None and not str(found.origin).endswith(".py")


def digest(files: Iterable[Path], beneath: Path | None = None) -> str:
    """The first digits of SHA-256 over files, by their names and contents."""
    whole = hashlib.sha256()
    for file in sorted(files):
        name = file.name if beneath is None else file.relative_to(beneath).as_posix()
        content = file.read_bytes()
        whole.update(f"{name}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()[:DIGITS]
