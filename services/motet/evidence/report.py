"""What a bundle says, for people. It follows from the records, so that whoever checks the bundle writes it again and compares."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from motet.chassis.lanes import stamp_of
from motet.chassis.message import Message
from motet.evidence.bundle import CONTRACTS, text
from motet.evidence.reading import Told, contract_of, in_order
from motet.proofs.checkpoint import Checkpoint, written_time
from motet.proofs.note import Note
from motet.records import CallsCommitted, PlanAdmitted, PlanEnded, PlanRejected


def write(plan_id: str, told: Sequence[Told], note: str) -> str:
    """The report's text."""
    signed = Note.parse(note)
    checkpoint = Checkpoint.parse(signed.text)
    records = in_order([one for one in told if contract_of(one.record) is None])
    lines = [
        f"Plan {plan_id}",
        "",
        f"Checkpoint {checkpoint.number} of cluster {checkpoint.cluster}, {written_time(checkpoint.time_ms)}, digest {checkpoint.digest}",
        *(f"  signed by {one.name}+{one.key_id}" for one in signed.signatures),
        "",
        *calls(records),
        "What the log has of it, in the order in which it happened:",
        "",
        *(line for one in records for line in event(one)),
        "Contracts that it was admitted by:",
        "",
        *(f"  {name}@{version}  {one.item.message.where}" for one in told for name, version in named(one)),
    ]
    return "\n".join(lines) + "\n"


def named(one: Told) -> list[tuple[str, int]]:
    """A contract's name, if a record is one."""
    found = contract_of(one.record)
    return [] if found is None else [found]


def calls(records: Sequence[Told]) -> list[str]:
    """Each call with its arguments, and how it ended."""
    admitted = next((one.record for one in records if isinstance(one.record, PlanAdmitted)), None)
    ended = next((one.record for one in records if isinstance(one.record, PlanEnded)), None)
    rejected = next((one.record for one in records if isinstance(one.record, PlanRejected)), None)
    lines: list[str] = []
    if rejected is not None:
        lines += ["It was rejected:", *(f"  {reason.code}: {reason.message}" for reason in rejected.reasons), ""]
    if admitted is None:
        return lines
    committed = {
        call.index: call for one in records if isinstance(one.record, CallsCommitted) for call in one.record.calls
    }
    lines += [
        f"Tenant {admitted.meta.tenant}, domain {admitted.meta.domain}, agent {admitted.agent}, key {admitted.idempotency_key}"
    ]
    lines += [
        "It has not ended yet." if ended is None else f"It ended: {ended.outcome}, history {ended.history_sha256}",
        "",
        "Calls:",
        "",
    ]
    for index, call in enumerate(admitted.calls):
        end = committed.get(index)
        lines.append(f"  {index} {call.call_id}: {call.tool}@{call.contract_version} {call.arguments}")
        if end is not None:
            said = end.result if end.error is None else f"{end.error.code}: {end.error.message}"
            lines.append(f"    {end.outcome} {said}")
    return [*lines, ""]


def event(one: Told) -> list[str]:
    """A record: when, where, what, why, and all that it says."""
    message = one.item.message
    kind = type(one.record).__name__
    said: dict[str, Any] = {name: value for name, value in one.record.to_avro().items() if name != "meta"}
    return [
        f"  {written_time(message.timestamp_ms)}  {kind}  {message.where}",
        f"    id {one.event_id}, because of {one.cause or 'a client'}{on_lane(message)}",
        f"    {json.dumps(said, ensure_ascii=False, default=str)}",
        "",
    ]


def on_lane(message: Message) -> str:
    """A record's place on its lane; nothing for one that is on none."""
    stamp = stamp_of(message.headers)
    return "" if stamp is None else f"; lane {stamp.service}/{stamp.shard}, number {stamp.number}"


def contract_files(told: Sequence[Told]) -> dict[str, bytes]:
    """Each contract as JSON, by the name of its file."""
    out = {}
    for one in told:
        for name, version in named(one):
            said = {key: value for key, value in one.record.to_avro().items() if key != "meta"}
            out[f"{CONTRACTS}{name}@{version}.json"] = text(json.loads(json.dumps(said, default=str)))
    return out
