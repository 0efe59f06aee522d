"""Signed notes and checkpoints: whatever is changed in them does not go unnoticed."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.proofs.checkpoint import Checkpoint, Head, read_time, written_time
from motet.proofs.keyring import Keyring, Trusted
from motet.proofs.merkle import EMPTY
from motet.proofs.note import NotANote, Note, PrivateKey, PublicKey

# The example of golang.org/x/mod/sumdb/note.
SECRET: Final = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"  # noqa: S105  everybody has it
PUBLIC: Final = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SAYING: Final = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED: Final = (
    f"{SAYING}\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
KEY: Final = PrivateKey.generate("motet.example")
ALTERED: Final = st.sampled_from(["flip", "remove", "insert"])


def checkpoint(number: int = 1, previous: str | None = None, size: int = 3) -> Checkpoint:
    """A checkpoint of two trees."""
    heads = (Head("motet.commands", 0, 0, 0, EMPTY), Head("motet.events", 2, size, size + 1, bytes([size % 256]) * 32))
    return Checkpoint("5L6g3nShT-eMCtK--X86sw", number, 7, 1_795_580_000_123, previous, heads)


def test_keys_and_notes_are_those_of_go() -> None:
    """The same bytes from the same key, so that other tools open our notes and we open theirs."""
    key = PrivateKey.parse(SECRET)
    assert (str(key.public), key.line()) == (PUBLIC, SECRET)
    assert key.sign(SAYING) == SIGNED
    note = Note.parse(SIGNED)
    assert note.text == SAYING
    assert note.signers({"c74f20a3": PublicKey.parse(PUBLIC)})[0] == [key.public]


def test_a_signature_has_one_form() -> None:
    """Base64 has bits that nobody reads: a note in which they are set is another text for the same signature, and is refused."""
    assert SIGNED.endswith("JnAM=\n")
    with pytest.raises(NotANote, match="is no signature"):
        Note.parse(SIGNED.replace("JnAM=", "JnAN="))


def test_a_secret_does_not_print_itself() -> None:
    """Neither whole nor in an error."""
    assert SECRET.rpartition("+")[2] not in repr(PrivateKey.parse(SECRET)) + str(PrivateKey.parse(SECRET))
    with pytest.raises(NotANote) as refused:
        PrivateKey.parse(SECRET[:-6])
    assert "AYEK" not in str(refused.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "is no public key"),
        (PUBLIC[:-1], "is no public key"),
        (PUBLIC.replace("ARpc", "BRpc"), "is no public key"),
        (PUBLIC.replace("2Qc", "2Qd"), "was changed"),
        (PUBLIC.replace("Peter", "Pater"), "was changed"),
    ],
)
def test_a_key_that_was_changed_is_none(line: str, said: str) -> None:
    """Its id is made of its name and of itself."""
    with pytest.raises(NotANote, match=said):
        PublicKey.parse(line)


def test_a_name_fits_into_a_line() -> None:
    """No spaces, no plus, not empty."""
    for name in ("", "two words", "a+b", "x" * 101):
        with pytest.raises(NotANote, match="name"):
            PrivateKey.generate(name)


@given(ALTERED, st.data())
def test_no_byte_of_a_checkpoint_changes_unnoticed(how: str, data: st.DataObject) -> None:
    """One bit, one byte less or more, anywhere in the note: it is no note, no checkpoint, or not signed."""
    content = KEY.sign(checkpoint().text).encode()
    at = data.draw(st.integers(0, len(content) - 1))
    other = bytes([content[at] ^ 1 << data.draw(st.integers(0, 7))])
    kept = {"flip": other, "remove": b"", "insert": other + content[at : at + 1]}[how]
    altered = content[:at] + kept + content[at + 1 :]
    keyring = Keyring([Trusted(KEY.public)])
    try:
        note = Note.parse(altered.decode())
        found = Checkpoint.parse(note.text)
    except (NotANote, UnicodeDecodeError):
        return
    assert keyring.fault(note, found.number) is not None


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_is_read_as_it_was_written(time_ms: int) -> None:
    """Milliseconds, in UTC."""
    assert read_time(written_time(time_ms)) == time_ms


def test_a_checkpoint_has_one_form() -> None:
    """It is read as it was written; with anything else in it, it is none."""
    text = checkpoint(2, "0" * 64).text
    assert Checkpoint.parse(text) == checkpoint(2, "0" * 64)
    assert text.splitlines()[:2] == ["motet checkpoint 1", "cluster 5L6g3nShT-eMCtK--X86sw"]
    lines = text.splitlines(keepends=True)
    for altered in (
        "".join([lines[0].replace("1", "2"), *lines[1:]]),
        "".join([*lines, lines[-1]]),
        "".join([*lines[:-2], lines[-1], lines[-2]]),
        "".join([*lines, "more\n"]),
        text.replace("number 2", "number 02"),
        text.replace("number 2", "number two"),
        text.replace("0" * 64, "0" * 63),
        text.replace("20.123Z", "20.123+00:00"),
        text.replace("epoch 7\n", ""),
        text.replace("tree motet.events 2 3", "tree motet.events 2 -3"),
        text.replace("AwMD", "AwM"),
        text.replace("2026-", "2026-13"),
        "".join(lines[:3]),
        text[:-1],
    ):
        assert altered != text
        with pytest.raises(NotANote):
            Checkpoint.parse(altered)


def test_a_key_signs_its_own_numbers_only() -> None:
    """A key that was changed is trusted for what it signed while it was in use."""
    old, new = PrivateKey.generate("motet.example"), PrivateKey.generate("motet.example")
    keyring = Keyring.parse(f"# the log's keys\n{old.public} to 9\n{new.public} from 10\n\n")
    for key, number, said in (
        (old, 9, None),
        (old, 10, "signs from 1 to 9 only"),
        (new, 10, None),
        (new, 9, "signs from 10 only"),
        (KEY, 9, "no key that you trust"),
    ):
        fault = keyring.fault(Note.parse(key.sign(checkpoint(number).text)), number)
        assert fault is None if said is None else said in (fault or "")
    for wrong in ("", "# nothing\n", f"{old.public} until 9", f"{old.public} from 0"):
        with pytest.raises(NotANote):
            Keyring.parse(wrong)


def test_others_may_sign_as_well() -> None:
    """A witness's signature below takes nothing away, and ours must be there."""
    text, witness = checkpoint().text, PrivateKey.generate("witness")
    both = KEY.sign(text) + witness.sign(text).rpartition("\n\n")[2]
    assert Keyring([Trusted(KEY.public)]).fault(Note.parse(both), 1) is None
    assert "no key that you trust" in (Keyring([Trusted(KEY.public)]).fault(Note.parse(witness.sign(text)), 1) or "")
