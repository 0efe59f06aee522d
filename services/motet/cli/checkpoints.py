"""`motet checkpoint`: what the log had, signed; and whether it still has it."""

from __future__ import annotations

import base64
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from motet.archive import opened, schemas_of
from motet.chassis.codec import Codec
from motet.chassis.cuts import Place
from motet.chassis.errors import ConfigurationError
from motet.chassis.log_reader import Log
from motet.chassis.settings import Settings
from motet.checkpoints import keys, making, proving, verifying
from motet.checkpoints.directory import Directory
from motet.checkpoints.published import published
from motet.cli.connection import settings
from motet.cli.output import JsonOption, console, show, table
from motet.proofs.chain import Chain, read_chain
from motet.proofs.checkpoint import Checkpoint, written_time
from motet.proofs.entry import Entry
from motet.proofs.keyring import Keyring, Trusted
from motet.proofs.note import NotANote, PrivateKey

app = typer.Typer(no_args_is_help=True, help="Checkpoints: what the log had, signed, and whether it still has it.")

FAILED: Final = 1
RECORDS: Final = 20_000

From = Annotated[
    Path | None,
    typer.Option("--from", help="The folder that they are kept in; MOTET_CHECKPOINT_DIRECTORY when absent."),
]
Public = Annotated[Path, typer.Option("--public-key", help="The public keys that you trust, one a line.")]


def directory(given: Path | None, where: Settings) -> Directory:
    """The folder of a command."""
    path = given or where.checkpoint_directory
    if path is None:
        raise ConfigurationError("which folder? Name it, or set MOTET_CHECKPOINT_DIRECTORY")
    return Directory(path)


@app.command("keygen")
def keygen(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; the public one goes to FILE.pub.")],
    name: Annotated[str, typer.Option("--name", help="Whose key it is, such as motet.example.com.")] = "motet",
) -> None:
    """Makes a key that signs checkpoints. The private half is for the service alone, the public half for whoever verifies."""
    try:
        key = PrivateKey.generate(name)
    except NotANote as error:
        raise ConfigurationError(str(error)) from error
    public = keys.write_pair(file, key)
    console.print(f"private key {file}  keep it from everybody, and from the machines that the log is on", markup=False)
    console.print(f"public key  {public}  {key.public}", markup=False, soft_wrap=True)


@app.command("create")
def create(
    to: Annotated[Path, typer.Option("--to", help="The folder to keep it in. A folder has one chain.")],
    key_file: Annotated[
        Path | None, typer.Option("--key", help="The private key; MOTET_CHECKPOINT_KEY_FILE when absent.")
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="Whose checkpoints to go on from, after a change of keys.")
    ] = None,
    records: Annotated[
        int, typer.Option("--records", min=1, help="Records that one checkpoint adds at most.")
    ] = RECORDS,
    json: JsonOption = False,
) -> None:
    """Signs what the log has now, with a key of your own: a chain beside the service's, for which you need to trust nobody.

    Only Kafka is read, and nothing is written but the folder.
    """
    where = settings()
    path = key_file or where.checkpoint_key_file
    if path is None:
        raise ConfigurationError(
            "which key? Name it with --key, or set MOTET_CHECKPOINT_KEY_FILE; `motet checkpoint keygen` makes one"
        )
    key = keys.read_private(path)
    trusted = Keyring([Trusted(key.public)]) if public_key is None else keys.read_public(public_key)
    place = Directory(to)
    made: list[making.Made] = []
    with closing(opened(where)) as reader:
        before = newest_kept(place, trusted) if to.is_dir() else None
        beside = making.beside_of(reader, before, place.leaves(before.number) if before else None)
        while True:
            now = time.time_ns() // 1_000_000
            one = making.make(reader, key, before, beside, epoch=0, time_ms=now, limit=records)
            if one is None:
                break
            place.keep(one.checkpoint.number, one.note, one.beside)
            made.append(one)
            before, beside = one.checkpoint, place.leaves(one.checkpoint.number) or {}
            if not json:
                console.print(
                    f"checkpoint {one.checkpoint.number}: {one.checkpoint.records} records, {one.added} of them new"
                )
            if not one.more:
                break
    if json:
        show([described(one.checkpoint) | {"added": one.added} for one in made])
    elif not made:
        console.print("nothing is new since " + (f"checkpoint {before.number}" if before else "the beginning"))


def newest_kept(place: Directory, trusted: Keyring) -> Checkpoint | None:
    """The checkpoint that the next one goes on from. Raises ConfigurationError if it is not signed by whom it should."""
    numbers = place.numbers()
    if not numbers:
        return None
    # A chain that begins at its last note: what came before is for `verify` to say.
    chain = read_chain(((number, note) for number, note in place.notes() if number == numbers[-1]), trusted)
    if chain.newest is None:
        raise ConfigurationError(
            f"{place.path}: {chain.findings[-1].message}: take the right key, or a folder of its own"
        )
    return chain.newest


def signed(number: int, kept: Path | None, public_key: Path | None, where: Settings) -> Checkpoint:
    """A checkpoint of a folder, signed by whom it should; 0 is the newest. Raises ConfigurationError if there is none such."""
    if public_key is None:
        raise ConfigurationError("whose checkpoint? Name the public keys that you trust with --public-key")
    chain = read_chain(directory(kept, where).notes(), keys.read_public(public_key))
    if chain.findings:
        raise ConfigurationError(f"{chain.findings[0].message}: `motet checkpoint list` shows them all")
    found = chain.checkpoints.get(number) if number else chain.newest
    if found is None:
        have = f"1 to {chain.newest.number}" if chain.newest else "none"
        raise ConfigurationError(f"there is no checkpoint {number}; kept: {have}")
    return found


def refuse_other_cluster(one: Checkpoint, reader: Log) -> None:
    """Raises ConfigurationError for a checkpoint of another log than the one that is to be read from there."""
    cluster = reader.places()[0]
    if one.cluster != cluster:
        raise ConfigurationError(
            f"checkpoint {one.number} is about cluster {one.cluster}, and this is cluster {cluster}: read this log from its beginning"
        )


@app.command("list")
def list_checkpoints(public_key: Public, kept: From = None, json: JsonOption = False) -> None:
    """The checkpoints that are kept, and whether each is signed as it must be."""
    chain = read_chain(directory(kept, settings()).notes(), keys.read_public(public_key))
    if json:
        show([described(one) for one in chain.checkpoints.values()])
    else:
        rows = [
            [
                str(one.number),
                written_time(one.time_ms),
                str(one.epoch),
                str(len(one.heads)),
                str(one.records),
                one.digest[:16],
            ]
            for one in chain.checkpoints.values()
        ]
        table(["number", "time", "epoch", "partitions", "records", "digest"], rows)
        tell(chain)
    if chain.findings:
        raise typer.Exit(FAILED)


def tell(chain: Chain) -> None:
    """What is wrong with a chain."""
    for found in chain.findings:
        console.print(f"[red]{found.kind}[/] {escape(found.message)}", soft_wrap=True)


def described(one: Checkpoint) -> dict[str, Any]:
    """A checkpoint for programs."""
    return {
        "number": one.number,
        "time": written_time(one.time_ms),
        "epoch": one.epoch,
        "cluster": one.cluster,
        "records": one.records,
        "digest": one.digest,
        "previous": one.previous,
        "trees": [
            {
                "topic": head.topic,
                "partition": head.partition,
                "size": head.size,
                "next_offset": head.next_offset,
                "root": base64.b64encode(head.root).decode(),
            }
            for head in one.heads
        ],
    }


@app.command("verify")
def verify(public_key: Public, kept: From = None, json: JsonOption = False) -> None:
    """Reads the whole log beside its checkpoints, and says what is not as it was signed. The exit code is 1 if anything is not."""
    from motet.chassis.registry import Registry  # noqa: PLC0415  its sign-in takes long to load

    where, trusted = settings(), keys.read_public(public_key)
    began = time.monotonic()
    with (
        closing(Registry(where.schema_registry_url)) as registry,
        closing(opened(where)) as reader,
        console.status("reading …") as line,
    ):
        found = verifying.verify(
            reader,
            directory(kept, where),
            trusted,
            published(reader, Codec(schemas_of(where, registry))),
            lambda count: line.update(f"{count} records …"),
        )
    seconds = time.monotonic() - began
    if json:
        show(
            {
                "checkpoints": found.checkpoints,
                "partitions": found.partitions,
                "records": found.records,
                "unsigned": found.unsigned,
                "records_per_second": round(found.records / seconds),
                "violations": [
                    {"kind": one.kind, "where": one.where, "message": one.message} for one in found.findings
                ],
            }
        )
    else:
        print_verified(found, seconds)
    if found.findings or not found.checkpoints:
        raise typer.Exit(FAILED)


def print_verified(found: verifying.Verified, seconds: float) -> None:
    """The same for people."""
    console.print(
        f"{found.checkpoints} checkpoints, {found.records} records in {found.partitions} partitions, read in {seconds:.1f} s; "
        f"{found.unsigned} came since and are not signed yet",
        soft_wrap=True,
    )
    if not found.checkpoints:
        console.print("[red]there is no checkpoint that can be trusted: nothing was compared[/]")
    elif not found.findings:
        console.print("[green]everything is as it was signed[/]")
    for one in found.findings:
        console.print(f"[red]{one.kind}[/] {escape(one.message)}", soft_wrap=True)


@app.command("prove")
def prove(
    record: Annotated[str, typer.Argument(help="The record as topic:partition:offset.")],
    public_key: Public,
    kept: From = None,
    json: JsonOption = False,
) -> None:
    """Shows that a record is in a signed checkpoint, by a proof that needs the note and not the log."""
    found_at = Place.read(record)
    if found_at is None:
        raise ConfigurationError(f"{record!r} is no record: topic:partition:offset, such as motet.events:2:17")
    where, place, offset = settings(), (found_at.topic, found_at.partition), found_at.offset
    checkpoint = proving.newest_with(trusted_chain(kept, where, public_key).checkpoints, place, offset)
    with closing(opened(where)) as reader:
        found = proving.include(reader, checkpoint, {place}, lambda message: message.offset == offset)
    if not found:
        raise ConfigurationError(
            f"there is no record at {record}: the offset is none of a record, such as the marker of a transaction"
        )
    (one,) = found
    entry = Entry.of(one.message)
    if json:
        root = base64.b64encode(checkpoint.by_place()[place].root).decode()
        show(
            {
                "record": record,
                "timestamp_ms": entry.timestamp_ms,
                "content_sha256": entry.content.hex(),
                "leaf": base64.b64encode(entry.leaf).decode(),
                "index": one.index,
                "size": one.size,
                "proof": [base64.b64encode(part).decode() for part in one.proof],
                "root": root,
                "checkpoint": checkpoint.number,
            }
        )
        return
    console.print(
        f"{record} is record {one.index + 1} of {one.size} in checkpoint {checkpoint.number} of {written_time(checkpoint.time_ms)}",
        markup=False,
    )
    console.print(f"  leaf {entry.leaf.hex()}")
    for part in one.proof:
        console.print(f"       {part.hex()}")
    console.print(f"  root {checkpoint.by_place()[place].root.hex()}")


@app.command("consistent")
def consistent(
    old: Annotated[int, typer.Argument(help="The number of the earlier checkpoint.")],
    new: Annotated[int, typer.Argument(help="The number of the later one.")],
    public_key: Public,
    kept: From = None,
    json: JsonOption = False,
) -> None:
    """Shows that one checkpoint is the beginning of another: between them records were added, and none was changed."""
    where = settings()
    checkpoints = trusted_chain(kept, where, public_key).checkpoints
    for number in (old, new):
        if number not in checkpoints:
            raise ConfigurationError(
                f"there is no checkpoint {number} that can be trusted: `motet checkpoint list` shows those that can"
            )
    with closing(opened(where)) as reader:
        grew = proving.beginning(reader, checkpoints[old], checkpoints[new])
    if json:
        show(
            [
                {
                    "topic": one.old.topic,
                    "partition": one.old.partition,
                    "old": {"size": one.old.size, "root": base64.b64encode(one.old.root).decode()},
                    "new": {"size": one.new.size, "root": base64.b64encode(one.new.root).decode()},
                    "proof": [base64.b64encode(part).decode() for part in one.proof],
                }
                for one in grew
            ]
        )
        return
    rows = [
        [one.old.topic, str(one.old.partition), str(one.old.size), str(one.new.size), str(len(one.proof))]
        for one in grew
    ]
    table(["topic", "partition", f"in {old}", f"in {new}", "hashes"], rows)
    console.print(f"checkpoint {old} is the beginning of checkpoint {new}: records were added, and none was changed")


def trusted_chain(kept: Path | None, where: Settings, public_key: Path) -> Chain:
    """The checkpoints that are kept and can be trusted."""
    return read_chain(directory(kept, where).notes(), keys.read_public(public_key))
