"""A plan's records as a log would have them, and a bundle of them, without a log."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import fastavro

from motet.catalog.location import schemas_directory
from motet.chassis.canonical import compact, sha256_text
from motet.chassis.codec import MAGIC, PREFIX, newest_schemas, parse
from motet.chassis.lanes import HEADER, START, Stamp
from motet.chassis.message import Message
from motet.evidence.bundle import Bundle, Item
from motet.evidence.container import pack
from motet.evidence.gathering import schemas_of
from motet.evidence.reading import Included, Told, codec
from motet.evidence.writing import files_of
from motet.plan.identity import plan_id_of
from motet.proofs.checkpoint import Place
from motet.proofs.entry import Entry
from motet.proofs.growth import Growth
from motet.proofs.merkle import Tree
from motet.proofs.note import PrivateKey
from motet.proofs.paths import hashes_of, inclusion_ranges, nodes_of
from motet.records import RECORDS, CommittedCall, PlanAdmitted, PlanEnded, SubmitPlan, ToolContract

KEY: Final = PrivateKey("motet.example", bytes(range(32)))
PARTITION: Final = 2
NAMES: Final = sorted(newest_schemas())


def example(name: str) -> Any:
    """A record from its example."""
    version = max(int(one.name.split(".v")[-1].removesuffix(".json")) for one in examples(name))
    content = json.loads((schemas_directory() / "examples" / f"{name}.v{version}.json").read_text())
    schema = parse(json.loads(newest_schemas()[name]))
    datum: Any = next(fastavro.json_reader(io.StringIO(json.dumps(content)), schema))
    return RECORDS[name].from_avro(datum)


def examples(name: str) -> list[Any]:
    """The examples of a record."""
    return list((schemas_directory() / "examples").glob(f"{name}.v*.json"))


def encoded(record: Any) -> bytes:
    """A record's bytes; the schema's id is its place among all names."""
    buffer = io.BytesIO()
    buffer.write(PREFIX.pack(MAGIC, NAMES.index(record.FULL_NAME)))
    fastavro.schemaless_writer(buffer, parse(json.loads(newest_schemas()[record.FULL_NAME])), record.to_avro())
    return buffer.getvalue()


def plan(said: str | None = None) -> tuple[str, list[tuple[str, Any]]]:
    """A plan of two calls, from the command to the end, by topic; its id. Its end may say another history than it has."""
    command: SubmitPlan = example("motet.commands.SubmitPlan")
    plan_id = plan_id_of(command)
    admitted: PlanAdmitted = example("motet.events.PlanAdmitted")
    calls = admitted.calls
    admitted = replace(admitted, plan_id=plan_id, meta=replace(admitted.meta, causation_id="motet.commands:2:1"))
    committed = replace(example("motet.events.CallsCommitted"), plan_id=plan_id, calls=ends(admitted))
    history = [
        [one.call_id, one.tool, one.contract_version, one.arguments_sha256, end.outcome, end.result_sha256, None]
        for one, end in zip(calls, committed.calls, strict=True)
    ]
    ended: PlanEnded = replace(
        example("motet.events.PlanEnded"), plan_id=plan_id, history_sha256=said or sha256_text(compact(history))
    )
    contract: ToolContract = example("motet.contracts.ToolContract")
    named = {(one.tool, one.contract_version) for one in calls}
    contracts = [("motet.contracts", replace(contract, name=name, version=version)) for name, version in sorted(named)]
    events = [("motet.events", one) for one in (admitted, committed, ended)]
    return plan_id, [*contracts, ("motet.commands", command), *events]


def ends(admitted: PlanAdmitted) -> tuple[CommittedCall, ...]:
    """Each call succeeded."""
    (pattern, *_) = example("motet.events.CallsCommitted").calls
    shas = [sha256_text("{}") for _ in admitted.calls]
    return tuple(
        replace(
            pattern, index=index, outcome="SUCCEEDED", result="{}", result_sha256=sha, error=None, arguments_sha256=None
        )
        for index, sha in enumerate(shas)
    )


def bundle(without: type | None = None, key: PrivateKey = KEY, history: str | None = None) -> tuple[Bundle, list[Told]]:
    """The plan's bundle, perhaps without the records of a kind, each record after one of somebody else."""
    plan_id, records = plan(history)
    growth = Growth()
    topics = sorted({topic for topic, _ in records})
    logs: dict[str, list[tuple[Message, bool]]] = {topic: [(other(topic), False)] for topic in topics}
    for topic, record in records:
        stamp = Stamp("coordinator", PARTITION, len(logs[topic]), START, exogenous=False).pack()
        headers = () if topic == "motet.commands" else ((HEADER, stamp),)
        message = Message(topic, PARTITION, len(logs[topic]), b"acme/shop", encoded(record), 1_795_514_400_000, headers)
        logs[topic].append((message, without is None or not isinstance(record, without)))
    items = []
    for topic, log in logs.items():
        for message, _ in log:
            growth.take((topic, PARTITION), Entry.of(message))
        items += [prove([one for one, _ in log], at) for at, (_, wanted) in enumerate(log) if wanted]
    note = key.sign(growth.checkpoint("bW90ZXQtbW90ZXQtbW90ZQ", 1, 1_795_514_460_000).text)
    ids = {PREFIX.unpack_from(one.message.value or b"")[1] for one in items}
    schemas = {schema_id: newest_schemas()[NAMES[schema_id]] for schema_id in sorted(ids)}
    made = Bundle(plan_id, tuple(sorted(items, key=lambda one: one.name)), schemas, note, f"{key.public}\n")
    reader = codec(schemas)
    return made, [Told(item, reader.decode(item.message.value)) for item in made.items]


def other(topic: str) -> Message:
    """A record of somebody else, first on its topic."""
    return Message(topic, PARTITION, 0, b"acme/other", b"whatever", 1_795_514_400_000, ())


def prove(log: list[Message], at: int) -> Item:
    """A record with its proof."""
    tree, ranges = Tree(), inclusion_ranges(at, len(log))
    tree.want(nodes_of(ranges))
    for message in log:
        tree.append(Entry.of(message).leaf)
    return Item(log[at], at, len(log), tuple(hashes_of(ranges, tree.found)))


def written(made: Bundle, told: list[Told]) -> bytes:
    """Its bytes."""
    return pack(files_of(made, told))


def logs_of(messages: Iterable[Message]) -> dict[Place, list[Message]]:
    """Messages by partition, in order."""
    logs: dict[Place, list[Message]] = {}
    for one in sorted(messages, key=lambda one: (one.topic, one.partition, one.offset)):
        logs.setdefault((one.topic, one.partition), []).append(one)
    return logs


def recorded(plan_id: str, logs: Mapping[Place, list[Message]], about: set[str], schemas: Mapping[int, str]) -> bytes:
    """A plan's bundle from logs that somebody recorded; `about` are the places of its records."""
    growth, items = Growth(), []
    for place, log in logs.items():
        for at, message in enumerate(log):
            growth.take(place, Entry.of(message))
            items += [prove(log, at)] if message.where in about else []
    items.sort(key=lambda one: one.name)
    note = KEY.sign(growth.checkpoint("bW90ZXQtbW90ZXQtbW90ZQ", 1, 1_795_514_460_000).text)
    reader = codec(schemas)
    told = [Told(item, reader.decode(item.message.value)) for item in items]
    made = Bundle(plan_id, tuple(items), dict(schemas_of(Included(schemas), told)), note, f"{KEY.public}\n")
    return written(made, told)
