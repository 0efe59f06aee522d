"""A bundle of evidence: whole it is accepted, and whatever is changed in it is found and named."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import evidence_stock as stock
from motet.conformance import archive
from motet.evidence import bundle as files
from motet.evidence import container
from motet.evidence.bundle import manifest, text
from motet.evidence.checking import check
from motet.evidence.container import NotABundle, pack, unpack
from motet.evidence.reading import codec, contract_of, contracts_named, plan_of
from motet.proofs.keyring import Keyring, Trusted
from motet.proofs.note import PrivateKey
from motet.records import CallsCommitted, PlanAdmitted, PlanEnded, SubmitPlan, ToolContract

RECORDED: Final = Path(__file__).parents[1] / "golden" / "2026-11-decisions.avro"
CONTRACTS: Final = "motet.contracts"
MADE, TOLD = stock.bundle()
WHOLE: Final = stock.written(MADE, TOLD)
FILES: Final = unpack(WHOLE)
KEYRING: Final = Keyring([Trusted(stock.KEY.public)])
ADMITTED: Final = "records/motet.events-2-000000000001.json"


def found(data: bytes) -> dict[str, str]:
    """What a check says, by file."""
    return dict(check(data, KEYRING).findings)


def with_file(name: str, content: bytes) -> bytes:
    """The bundle with another file, and a manifest that says so: whoever changes it knows how bundles are made."""
    changed = {**FILES, name: content}
    return pack({**changed, files.MANIFEST: manifest(MADE.plan_id, changed)})


def test_a_bundle_that_nobody_touched_is_whole() -> None:
    """With the right key, and with those that it brings; packing what was unpacked gives the same bytes."""
    checked = check(WHOLE, KEYRING)
    assert checked.findings == []
    assert (checked.plan_id, checked.records, checked.signers) == (
        MADE.plan_id,
        len(MADE.items),
        (f"motet.example+{stock.KEY.public.id}",),
    )
    assert check(WHOLE, None).findings == []
    assert pack(FILES) == WHOLE
    report = FILES[files.REPORT].decode()
    for said in (
        MADE.plan_id,
        "It ended: FAILED",
        "PlanAdmitted  motet.events:2:1",
        "lane coordinator/2, number 1",
        "0 pay: bank.transfer@1",
    ):
        assert said in report


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
@example(0, 1)
@example(len(WHOLE) - 1, 1)
def test_no_byte_changes_unnoticed(at: int, mask: int) -> None:
    """Of files or between them; and what is named is the file that the byte is in."""
    data = WHOLE[:at] + bytes([WHOLE[at] ^ mask]) + WHOLE[at + 1 :]
    assert found(data)
    inside = next(
        (name for name, content in FILES.items() if WHOLE.find(content) <= at < WHOLE.find(content) + len(content)),
        None,
    )
    said = " ".join(f"{file} {message}" for file, message in found(data).items())
    assert (inside or "") in said


@given(st.integers(0, len(WHOLE)), st.binary(min_size=1, max_size=40))
def test_nothing_is_added_or_cut_off_unnoticed(at: int, more: bytes) -> None:
    """In the middle or at an end; a part of a bundle is none."""
    assert found(WHOLE[:at] + more + WHOLE[at:])
    assert at == len(WHOLE) or found(WHOLE[:at])


@given(st.binary(max_size=200))
def test_anything_else_is_no_bundle(data: bytes) -> None:
    """And nobody stumbles over it."""
    assert found(data)


def changed_item(change: Callable[[files.Item], files.Item]) -> bytes:
    """A bundle with the first event's record changed, whose manifest and report were made for that."""
    items = tuple(change(one) if one.name == ADMITTED else one for one in MADE.items)
    return with_file(ADMITTED, next(one for one in items if one.name == ADMITTED).content())


@pytest.mark.parametrize(
    "change",
    [
        lambda one: replace(one, message=replace(one.message, timestamp_ms=1)),
        lambda one: replace(one, message=replace(one.message, key=b"evil/shop")),
        lambda one: replace(one, message=replace(one.message, value=one.message.value + b"x")),
        lambda one: replace(one, message=replace(one.message, headers=())),
        lambda one: replace(one, index=one.index + 1),
        lambda one: replace(one, size=one.size + 1),
        lambda one: replace(one, proof=one.proof[:-1]),
        lambda one: replace(one, proof=(*one.proof, one.proof[0])),
    ],
)
def test_a_record_that_was_changed_is_not_in_the_tree(change: Callable[[files.Item], files.Item]) -> None:
    """However well the rest was made to fit: it is the signature that holds it."""
    assert "is not in the signed tree" in found(changed_item(change))[ADMITTED]


def test_what_follows_is_made_again() -> None:
    """A report or a contract that says something else than the records; a file that belongs to nothing."""
    report = FILES[files.REPORT].replace(b"FAILED", b"SUCCEEDED")
    assert "not what follows from the records" in found(with_file(files.REPORT, report))[files.REPORT]
    (contract,) = (name for name in FILES if name.startswith(files.CONTRACTS))
    assert "not what follows" in found(with_file(contract, FILES[contract].replace(b"bank", b"tank")))[contract]
    assert "does not belong there" in found(with_file("more.txt", b""))["more.txt"]


def test_a_file_is_what_the_manifest_says() -> None:
    """Named also where the container was made anew; and a record's file has nothing but the record, under its own name."""
    report = FILES[files.REPORT].replace(b"FAILED", b"SUCCEEDED")
    assert "its SHA-256 is not the one in manifest.json" in found(pack({**FILES, files.REPORT: report}))[files.REPORT]
    more = text({**json.loads(FILES[ADMITTED]), "more": 1})
    assert "not in the form" in found(with_file(ADMITTED, more))[ADMITTED]
    other = ADMITTED.replace("0001.json", "0009.json")
    assert "not the record that its name says" in found(with_file(other, FILES[ADMITTED]))[other]


def test_the_calls_are_the_history_that_the_end_says() -> None:
    """Also where everything else is right, because somebody who could sign made it so."""
    said = check(stock.written(*stock.bundle(history="0" * 64)), KEYRING).findings
    assert any("are not the history that the plan's end has the digest of" in message for _, message in said)


def test_a_schema_that_reads_the_bytes_in_another_way_is_not_accepted() -> None:
    """Two fields of one type that changed their names would change what is read; no signature holds a schema."""
    name = next(one for one in FILES if one.startswith(files.SCHEMAS) and b"PlanEnded" in FILES[one])
    swapped = (
        FILES[name]
        .replace(b'"idempotency_key"', b'"x"')
        .replace(b'"agent"', b'"idempotency_key"')
        .replace(b'"x"', b'"agent"')
    )
    assert "no schema of this version" in found(with_file(name, swapped))[name]


def test_another_key_is_not_trusted() -> None:
    """A bundle that somebody else signed is whole by its own keys, and by yours it is not."""
    stranger = PrivateKey.generate("motet.example")
    data = stock.written(*stock.bundle(key=stranger))
    assert check(data, None).findings == []
    assert "no key that you trust" in found(data)[files.NOTE]


@pytest.mark.parametrize(
    ("without", "said"),
    [
        (SubmitPlan, "was caused by motet.commands:2:1, which is missing"),
        (PlanAdmitted, "the event with which the plan begins is missing"),
        (CallsCommitted, "and 0 are committed in the bundle: records are missing"),
        (ToolContract, "the contract bank.transfer@1 is missing"),
    ],
)
def test_what_was_left_out_is_missed(without: type, said: str) -> None:
    """What a plan begins with, its calls' ends, and the contracts that it was admitted by."""
    assert any(said in message for _, message in check(stock.written(*stock.bundle(without)), KEYRING).findings)


def test_a_plan_that_goes_on_is_whole() -> None:
    """Nothing is missing of what has not happened yet."""
    assert check(stock.written(*stock.bundle(PlanEnded)), KEYRING).findings == []


def test_a_record_of_another_plan_does_not_belong() -> None:
    """Whoever adds a true record of something else is told so."""
    content = json.loads(FILES[files.MANIFEST])
    content["plan_id"] = "0" * 32
    said = check(pack({**FILES, files.MANIFEST: text(content)}), KEYRING).findings
    assert any("is not about plan 0000" in message for _, message in said)


def test_a_container_is_read_strictly() -> None:
    """Compressed files are not read at all, and a file whose bytes do not fit its checksum is named."""
    with pytest.raises(NotABundle, match="this is no bundle"):
        unpack(b"PK")
    compressed = io.BytesIO()
    with zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", "a" * 100)
    with pytest.raises(NotABundle, match="a is compressed"):
        unpack(compressed.getvalue())
    with pytest.raises(NotABundle, match=r"^report.txt was changed: Bad CRC"):
        unpack(WHOLE.replace(b"It ended: FAILED", b"It ended: FAiled"))
    assert container.fault(WHOLE, FILES) is None
    assert "byte 3 of the container" in (container.fault(WHOLE[:3] + b"x" + WHOLE[4:], FILES) or "")


def test_every_plan_of_a_recorded_history_is_whole() -> None:
    """The golden history has plans of every mode with faults of every kind; a registry gave its schemas back in a form of its own."""
    history = archive.read(RECORDED)
    reader, logs = codec(history.schemas), stock.logs_of(history.messages)
    records = {message.where: reader.decode(message.value) for log in logs.values() for message in log}
    plans = {record.plan_id for record in records.values() if isinstance(record, PlanAdmitted)}
    assert len(plans) > 20
    for plan_id in plans:
        about = [place for place, record in records.items() if plan_of(record) == plan_id]
        contracts = contracts_named([records[place] for place in about])
        number = next(int(place.split(":")[1]) for place in about if isinstance(records[place], PlanAdmitted))
        about += [one.where for one in logs[CONTRACTS, number] if contract_of(records[one.where]) in contracts]
        assert check(stock.recorded(plan_id, logs, set(about), history.schemas), KEYRING).findings == []
