"""Where PostgreSQL lives when root starts it: it refuses to be root, so it runs as `nobody`, who must reach its files.

root's own folders are closed to others, and a checkout is often there. Then its data is under /var/tmp, with a link in its place, and
its programs are copied beside the data.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from motet.platform.errors import PlatformFailed

NOBODY: Final = "nobody"
ELSEWHERE: Final = Path("/var/tmp")  # noqa: S108  survives a restart of the machine, open to all; the folder's name is random


def user() -> str | None:
    """Who PostgreSQL runs as; None is whoever we are."""
    return NOBODY if os.geteuid() == 0 else None


def reaches(path: Path) -> bool:
    """Whether `nobody` may enter the folder, or run the program."""
    return subprocess.run(["test", "-x", str(path)], user=NOBODY, check=False).returncode == 0


def data_home(wanted: Path) -> Path:
    """The folder for the data: the one that is wanted, or the one that its link leads to."""
    if user() is None:
        wanted.mkdir(parents=True, exist_ok=True)
        return wanted
    if not wanted.exists():
        wanted.unlink(missing_ok=True)  # a link to what was cleaned away
        if reaches(wanted.parent):
            wanted.mkdir()
        else:
            wanted.symlink_to(tempfile.mkdtemp(prefix="motet-postgres-", dir=ELSEWHERE))
        entry = pwd.getpwnam(NOBODY)
        os.chown(wanted, entry.pw_uid, entry.pw_gid)
    home = wanted.resolve()
    if not reaches(home):
        raise PlatformFailed(
            f"PostgreSQL does not run as root, and the user {NOBODY} cannot enter {home}: "
            "run as an ordinary user, or let others enter the folders above it (chmod o+x)"
        )
    return home


def remove(directory: Path) -> None:
    """Removes a platform's folder with all of its data, also what is elsewhere. Nothing may run there any more."""
    data = directory / "postgres"
    if data.is_symlink():
        shutil.rmtree(data.resolve(), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)


def programs(package: Path, home: Path) -> Path:
    """The package with PostgreSQL's programs: where it is installed, or a copy in the data's home."""
    if user() is None or reaches(package / "pginstall" / "bin" / "postgres"):
        return package
    copies = home / "programs"
    if not copies.exists():
        partial = home / "programs.partial"
        shutil.rmtree(partial, ignore_errors=True)
        # The wheel keeps its shared libraries beside the package, and the programs look for them there.
        for folder in package.parent.glob(f"{package.name}*"):
            shutil.copytree(folder, partial / folder.name, symlinks=True)
        partial.replace(copies)
    return copies / package.name
