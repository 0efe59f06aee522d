"""Small disks: a server's data on a tmpfs, which can be made as full as it is and large again. Linux, and root, who may mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LARGE_BYTES: Final = 4 << 30
# So much can still be written on a full one.
LEFT_BYTES: Final = 128 << 10


@dataclass(frozen=True, slots=True)
class Volume:
    """A mounted one."""

    path: Path

    def fill(self) -> None:
        """From now on it is as large as what is on it."""
        found = os.statvfs(self.path)
        self.resize((found.f_blocks - found.f_bfree) * found.f_frsize + LEFT_BYTES)

    def free(self) -> None:
        """There is room again."""
        self.resize(LARGE_BYTES)

    def resize(self, size: int) -> None:
        """Gives it another size in bytes."""
        mount("-o", f"remount,size={size}", str(self.path))


@contextmanager
def mounted(path: Path) -> Iterator[Volume | None]:
    """A large one at a path, until the end; None where this process may not mount."""
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or not mount("-t", "tmpfs", "-o", f"size={LARGE_BYTES}", "tmpfs", str(path)):
        yield None
        return
    try:
        yield Volume(path)
    finally:
        unmount(path)


def mount(*arguments: str) -> bool:
    """Whether it could be done."""
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


def unmount(path: Path) -> None:
    """Takes one away, also one that a killed run left; nothing where none is."""
    if path.is_mount():
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=False)
