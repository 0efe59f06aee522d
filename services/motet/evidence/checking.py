"""Checks a bundle, with nothing but itself and the public keys that somebody trusts: no network, no Kafka, no database.

What can follow from something else is written again and compared; what cannot is held by the signature: a record by its proof, the proof by the
root, the root by the note. A schema is none of these, so it must be one that this Motet knows.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from motet.chassis.canonical import compact, sha256_text
from motet.chassis.codec import every_schema
from motet.chassis.errors import Undecodable
from motet.evidence import container
from motet.evidence.bundle import FORMAT, KEYS, MANIFEST, NOTE, RECORDS, REPORT, SCHEMAS, Bundle, Item, read_item
from motet.evidence.container import NotABundle
from motet.evidence.reading import Told, codec, contract_of, contracts_named, plan_of
from motet.evidence.writing import files_of
from motet.proofs.checkpoint import Checkpoint
from motet.proofs.entry import Entry
from motet.proofs.keyring import Keyring
from motet.proofs.note import NotANote, Note
from motet.proofs.paths import is_included
from motet.records import CallsCommitted, PlanAdmitted, PlanEnded, PlanRejected

SCHEMA: Final = re.compile(re.escape(SCHEMAS) + r"(?P<id>0|[1-9]\d{0,9})\.avsc")
PLAN: Final = re.compile(r"[0-9a-f]{30}([0-9a-f]{2}|-c|-h)")


@dataclass(slots=True)
class Checked:
    """What a bundle is of, and whatever is wrong with it: the file, or `container`, and a sentence."""

    plan_id: str = ""
    records: int = 0
    checkpoint: Checkpoint | None = None
    signers: tuple[str, ...] = ()
    findings: list[tuple[str, str]] = field(default_factory=list)

    def say(self, file: str, message: str) -> None:
        """Notes what is wrong."""
        self.findings.append((file, message))


def check(data: bytes, keyring: Keyring | None) -> Checked:
    """Checks a bundle's bytes. Without keys those in the bundle are taken: then it is whole, and whose it is remains to be seen."""
    checked = Checked()
    try:
        files = container.unpack(data)
    except NotABundle as error:
        checked.say("container", str(error))
        return checked
    listed(checked, files)
    bundle = read(checked, files)
    if bundle is not None:
        told = decode(checked, bundle)
        signed(checked, bundle, keyring)
        for item in bundle.items:
            proved(checked, item)
        schemas_known(checked, bundle)
        belongs(checked, told)
        if not checked.findings:
            same(checked, files, files_of(bundle, told))
    fault = container.fault(data, files)
    if fault is not None:
        checked.say("container", fault)
    return checked


def listed(checked: Checked, files: Mapping[str, bytes]) -> None:
    """Compares each file with its digest in the manifest."""
    try:
        content: Any = json.loads(files.get(MANIFEST, b""))
        digests, form = dict(content["files"]), content["format"]
        checked.plan_id = str(content["plan_id"])
    except (ValueError, TypeError, LookupError) as error:
        checked.say(MANIFEST, f"it cannot be read: {error}")
        return
    if form != FORMAT or not PLAN.fullmatch(checked.plan_id):
        checked.say(MANIFEST, f"it is of no plan, or no {FORMAT!r}")
    for name in sorted(files.keys() - digests.keys() - {MANIFEST}):
        checked.say(name, f"it is in the bundle, and {MANIFEST} does not list it")
    for name, digest in digests.items():
        if name not in files:
            checked.say(name, f"{MANIFEST} lists it, and it is not in the bundle")
        elif hashlib.sha256(files[name]).hexdigest() != digest:
            checked.say(name, f"it was changed: its SHA-256 is not the one in {MANIFEST}")


def read(checked: Checked, files: Mapping[str, bytes]) -> Bundle | None:
    """What the files hold; None if one cannot be read."""
    items, schemas = [], {}
    texts = {}
    for name, content in sorted(files.items()):
        try:
            if name.startswith(RECORDS):
                items.append(read_item(name, content))
            else:
                texts[name] = content.decode()
                match = SCHEMA.fullmatch(name)
                if match is not None:
                    schemas[int(match["id"])] = texts[name]
        except (NotABundle, UnicodeDecodeError) as error:
            checked.say(name, str(error))
    missing = [name for name in (NOTE, KEYS, REPORT) if name not in texts]
    for name in missing:
        checked.say(name, "it cannot be read, or is not there")
    checked.records = len(items)
    return None if missing else Bundle(checked.plan_id, tuple(items), schemas, texts[NOTE], texts[KEYS])


def decode(checked: Checked, bundle: Bundle) -> list[Told]:
    """The records, decoded."""
    reader = codec(bundle.schemas)
    told = []
    for item in bundle.items:
        try:
            told.append(Told(item, reader.decode(item.message.value)))
        except Undecodable as error:
            checked.say(item.name, str(error))
    return told


def signed(checked: Checked, bundle: Bundle, keyring: Keyring | None) -> None:
    """Reads the checkpoint, and whether somebody who is trusted signed it."""
    try:
        note = Note.parse(bundle.note)
        checked.checkpoint = Checkpoint.parse(note.text)
        fault = (keyring or Keyring.parse(bundle.keys)).fault(note, checked.checkpoint.number)
    except NotANote as error:
        checked.say(NOTE, str(error))
        return
    checked.signers = tuple(f"{one.name}+{one.key_id}" for one in note.signatures)
    if fault is not None:
        checked.say(NOTE, fault)


def proved(checked: Checked, item: Item) -> None:
    """Whether a record is in the signed tree."""
    if checked.checkpoint is None:
        return
    one = item.message
    head = checked.checkpoint.by_place().get((one.topic, one.partition))
    if head is None:
        checked.say(item.name, f"the checkpoint has nothing of {one.topic}:{one.partition}")
    elif item.size != head.size or not is_included(Entry.of(one).leaf, item.index, head.size, item.proof, head.root):
        checked.say(item.name, f"{one.where} is not in the signed tree: the record, its place or its proof was changed")


def schemas_known(checked: Checked, bundle: Bundle) -> None:
    """Whether each schema is one of this Motet's: with another one the same bytes would say something else."""
    known = {content for versions in every_schema().values() for content in versions}
    for schema_id, content in bundle.schemas.items():
        if content not in known:
            message = "it is no schema of this version of Motet: it was changed, or a later version wrote it"
            checked.say(f"{SCHEMAS}{schema_id}.avsc", message)


def belongs(checked: Checked, told: list[Told]) -> None:
    """Whether the records are those of the plan: no others, none missing that these speak of, and one history."""
    records = [one.record for one in told]
    contracts = contracts_named(records)
    for one in told:
        contract = contract_of(one.record)
        if plan_of(one.record) != checked.plan_id if contract is None else contract not in contracts:
            checked.say(one.item.name, f"it is not about plan {checked.plan_id}")
    for name, version in sorted(contracts - {contract_of(record) for record in records}):
        checked.say(MANIFEST, f"the contract {name}@{version} is missing")
    begun = [record for record in records if isinstance(record, PlanAdmitted | PlanRejected)]
    if not begun:
        checked.say(MANIFEST, "the event with which the plan begins is missing")
    for fault in causes_missing(told):
        checked.say(MANIFEST, fault)
    for fault in history_faults(records):
        checked.say(MANIFEST, fault)


def causes_missing(told: list[Told]) -> Iterator[str]:
    """Whether what the plan began with is there. What caused later ones may belong to other plans, such as one that was waited for."""
    have = {one.event_id for one in told}
    for one in told:
        if isinstance(one.record, PlanAdmitted | PlanRejected) and one.cause not in have:
            yield f"{one.item.name} was caused by {one.cause}, which is missing"


def history_faults(records: list[Any]) -> Iterator[str]:
    """Whether what was committed is the history that the plan's end has the digest of."""
    admitted = next((record for record in records if isinstance(record, PlanAdmitted)), None)
    committed = {call.index: call for record in records if isinstance(record, CallsCommitted) for call in record.calls}
    for ended in (record for record in records if isinstance(record, PlanEnded)):
        calls = admitted.calls if admitted is not None else ()
        if len(committed) != len(calls):
            yield f"the plan ended with {len(calls)} calls, and {len(committed)} are committed in the bundle: records are missing"
            continue
        history = [
            [
                call.call_id,
                call.tool,
                call.contract_version,
                committed[index].arguments_sha256 or call.arguments_sha256,
                committed[index].outcome,
                committed[index].result_sha256,
                None if (error := committed[index].error) is None else [error.code, error.message],
            ]
            for index, call in enumerate(calls)
        ]
        if sha256_text(compact(history)) != ended.history_sha256:
            yield "the calls that are committed in the bundle are not the history that the plan's end has the digest of"


def same(checked: Checked, files: Mapping[str, bytes], due: Mapping[str, bytes]) -> None:
    """What follows from the records must be what is there: the report, the contracts, the manifest."""
    for name in sorted(files.keys() | due.keys()):
        if files.get(name) != due.get(name):
            has = (
                "it is not what follows from the records"
                if name in files and name in due
                else "it does not belong there, or is missing"
            )
            checked.say(name, has)
