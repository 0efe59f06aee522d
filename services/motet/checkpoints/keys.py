"""Keys in files: the private one is its owner's alone, the public ones are for everybody."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from motet.chassis.errors import ConfigurationError
from motet.proofs.keyring import Keyring
from motet.proofs.note import NotANote, PrivateKey

OWNER_ONLY: Final = 0o600
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def write_pair(path: Path, key: PrivateKey) -> Path:
    """Writes a new private key, and its public one beside it, whose path is returned. Raises ConfigurationError if either is there."""
    public = path.with_name(f"{path.name}.pub")
    try:
        for target, mode, line in ((path, OWNER_ONLY, key.line()), (public, 0o644, str(key.public))):
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(handle, "w") as file:
                file.write(f"{line}\n")
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise ConfigurationError(f"a key cannot be written to {error.filename}: {error.strerror}") from error
    return public


def read_private(path: Path) -> PrivateKey:
    """A private key. Raises ConfigurationError, also if others than its owner may read the file."""
    try:
        mode = path.stat().st_mode
        if mode & OTHERS:
            raise ConfigurationError(
                f"the private key {path} has mode {stat.S_IMODE(mode):04o}, so that others may read or change it: `chmod 600 {path}`, and "
                "take a new key if others could"
            )
        return PrivateKey.parse(path.read_text().strip())
    except OSError as error:
        raise ConfigurationError(f"the private key {path} cannot be read: {error.strerror}") from error
    except (NotANote, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def read_public(path: Path) -> Keyring:
    """The public keys of a file. Raises ConfigurationError."""
    try:
        return Keyring.parse(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"the public keys {path} cannot be read: {error.strerror}") from error
    except (NotANote, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
