"""Checkpoints and keys as files: whole or not at all, never replaced, and a private key is its owner's alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from motet.chassis.errors import ConfigurationError, Refused
from motet.checkpoints import keys
from motet.checkpoints.directory import Directory
from motet.proofs import leaves
from motet.proofs.entry import Entry
from motet.proofs.leaves import Grown
from motet.proofs.note import PrivateKey

BESIDE = {("motet.events", 2): Grown((bytes(32),), (Entry(7, 1, bytes(32)),))}


def test_a_checkpoint_is_kept_once(tmp_path: Path) -> None:
    """Again it is the same; another one under its number is refused, and what is there stays."""
    folder = Directory(tmp_path / "kept")
    for number in (2, 1, 2):
        folder.keep(number, f"note {number}\n", leaves.pack(BESIDE))
    assert list(folder.notes()) == [(1, "note 1\n"), (2, "note 2\n")]
    assert folder.leaves(2) == BESIDE
    with pytest.raises(Refused, match="two chains must not share a folder"):
        folder.keep(2, "another\n", leaves.pack(BESIDE))
    assert folder.note(2) == "note 2\n"
    files = sorted(folder.path.iterdir())
    assert [one.name for one in files] == [f"{number:010}.{kind}" for number in (1, 2) for kind in ("leaves", "note")]
    assert {one.stat().st_mode & 0o777 for one in files} == {0o444}


def test_what_is_beside_may_be_missing(tmp_path: Path) -> None:
    """Where another leader kept it in a folder of his own, or where somebody changed it."""
    folder = Directory(tmp_path)
    folder.keep(1, "note\n", None)
    assert folder.leaves(1) is None
    (tmp_path / "0000000002.leaves").write_bytes(b"changed")
    assert folder.leaves(2) is None


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    """One that is not there has no checkpoints to read; one that is a file takes none."""
    with pytest.raises(ConfigurationError, match="No such file"):
        Directory(tmp_path / "nowhere").numbers()
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="checkpoint 1 cannot be kept"):
        Directory(tmp_path / "file").keep(1, "note\n", b"")


def test_a_private_key_is_its_owners_alone(tmp_path: Path) -> None:
    """Its file is made so, is not read otherwise, and is never written over."""
    path, key = tmp_path / "key", PrivateKey.generate("motet.example")
    public = keys.write_pair(path, key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.read_private(path) == key
    assert list(keys.read_public(public).trusted) == [key.public.id]
    with pytest.raises(ConfigurationError, match="File exists"):
        keys.write_pair(path, PrivateKey.generate("motet.example"))
    assert keys.read_private(path) == key
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(ConfigurationError, match=f"mode {mode:04o}") as refused:
            keys.read_private(path)
        assert key.line() not in str(refused.value)


def test_a_file_that_is_no_key_is_named(tmp_path: Path) -> None:
    """Whichever of the two was given in place of the other."""
    path = tmp_path / "key"
    public = keys.write_pair(path, PrivateKey.generate("motet.example"))
    public.chmod(0o600)
    with pytest.raises(ConfigurationError, match=r"key\.pub: this is no private key"):
        keys.read_private(public)
    for more in ("", " to 9", " and more"):
        path.write_text(path.read_text().strip() + more)
        with pytest.raises(ConfigurationError, match="this is a private key") as refused:
            keys.read_public(path)
        assert "PRIVATE" not in str(refused.value)
    for read in (keys.read_private, keys.read_public):
        with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
            read(tmp_path / "nowhere")
