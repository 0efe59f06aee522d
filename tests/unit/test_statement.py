"""Files that somebody signs: whole they are accepted, and whatever was changed is named."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from motet.chassis.errors import ConfigurationError
from motet.evidence import statement
from motet.proofs.checkpoint import Checkpoint
from motet.proofs.keyring import Keyring, Trusted
from motet.proofs.note import NotANote, Note, PrivateKey

KEY: Final = PrivateKey.generate("ada.example")
TRUSTED: Final = Keyring([Trusted(KEY.public)])


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files."""
    made = [tmp_path / "answer.txt", tmp_path / "plan.zip"]
    for number, file in enumerate(made):
        file.write_bytes(b"content" * number)
    return made


def test_what_was_signed_is_as_it_was(files: list[Path], tmp_path: Path) -> None:
    """With its signer's name."""
    note = statement.sign(files, KEY).encode()
    assert statement.is_note(note)
    assert statement.check(note, tmp_path, TRUSTED) == (["answer.txt", "plan.zip"], ["ada.example"], [])


def test_a_file_that_was_changed_or_is_gone_is_named(files: list[Path], tmp_path: Path) -> None:
    """Each by itself."""
    note = statement.sign(files, KEY).encode()
    files[0].write_text("other")
    files[1].unlink()
    _, _, wrong = statement.check(note, tmp_path, TRUSTED)
    assert len(wrong) == 2
    assert wrong[0].startswith("answer.txt was changed")
    assert "plan.zip cannot be read" in wrong[1]


def test_another_signer_or_text_is_not_accepted(files: list[Path], tmp_path: Path) -> None:
    """Nobody else's key, and no byte of the note."""
    note = statement.sign(files, KEY)
    others = Keyring([Trusted(PrivateKey.generate("bob.example").public)])
    assert statement.check(note.encode(), tmp_path, others)[2] == ["nobody whom you trust signed it"]
    changed = note.replace("plan.zip", "plan.zap").encode()
    assert any("does not fit" in one for one in statement.check(changed, tmp_path, TRUSTED)[2])
    assert statement.check(b"motet files\n", tmp_path, TRUSTED)[2][0].startswith("this is no signed note")


def test_a_note_of_files_is_no_checkpoint(files: list[Path]) -> None:
    """Whoever signs an answer signs no log."""
    with pytest.raises(NotANote):
        Checkpoint.parse(Note.parse(statement.sign(files, KEY)).text)


def test_names_that_a_note_cannot_carry_are_refused(tmp_path: Path) -> None:
    """A line's end, two of one name, a file that is not there."""
    odd, twin = tmp_path / "a\nb", tmp_path / "deeper" / "one"
    twin.parent.mkdir()
    for file in (odd, twin, tmp_path / "one"):
        file.write_text("")
    with pytest.raises(ConfigurationError, match="a note cannot carry"):
        statement.sign([odd], KEY)
    with pytest.raises(ConfigurationError, match="two of the files have one name"):
        statement.sign([twin, tmp_path / "one"], KEY)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        statement.sign([tmp_path / "none"], KEY)
