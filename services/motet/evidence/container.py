"""A zip file that has one form: the same files are always the same bytes, so that whatever is changed in it is found.

Nothing is compressed, times are none, and there is nothing between the files: what reads zip files reads it, and here it is read strictly.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Final

# The first time that a zip file can have.
NO_TIME: Final = (1980, 1, 1, 0, 0, 0)
UNIX: Final = 3
MODE: Final = 0o100644 << 16
# What the reader of the standard library raises for a file that is broken in some way.
BROKEN: Final = (
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError, LookupError),
    OverflowError,
)


class NotABundle(ValueError):
    """A file is no container, or is not in its one form; the message says why."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """The bytes of a container."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, NO_TIME)
            info.create_system, info.external_attr = UNIX, MODE
            archive.writestr(info, content)
    return out.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a container, as far as they can be read. Raises NotABundle if it is none at all."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {info.filename: read(archive, info, len(data)) for info in archive.infolist()}
    except NotABundle:
        raise
    except BROKEN as error:
        raise NotABundle(f"this is no bundle: {error}") from error


def read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """One file. Nothing is larger than the container that it is in."""
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
        raise NotABundle(
            f"{info.filename} is compressed, or larger than what it is in: `motet export` writes no such file"
        )
    try:
        return archive.read(info)
    except BROKEN as error:
        raise NotABundle(f"{info.filename} was changed: {error}") from error


def fault(data: bytes, files: Mapping[str, bytes]) -> str | None:
    """Where a container is not what its files make; None if it is."""
    due = pack(files)
    if due == data:
        return None
    at = next(
        (at for at, (one, other) in enumerate(zip(due, data, strict=False)) if one != other), min(len(due), len(data))
    )
    return f"byte {at} of the container, which is none of a file, was changed"
