"""`motet archive` and `motet retention`: what stood in the log, in files; and what Kafka need not keep any longer."""

from __future__ import annotations

import getpass
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from motet.archive import Manifest, opened, schemas_of
from motet.chassis.codec import Codec
from motet.chassis.offsets import Place
from motet.chassis.settings import Settings
from motet.chassis.subject_keys import SubjectKeys
from motet.checkpoints.published import published
from motet.cli.changes import WRITTEN, time_of
from motet.cli.connection import settings
from motet.cli.output import JsonOption, console, show, table, watched
from motet.proofs.checkpoint import Checkpoint
from motet.proofs.note import Note

app = typer.Typer(no_args_is_help=True, help="The log in files: written once, and read for what Kafka has no more.")
retention = typer.Typer(
    no_args_is_help=True, help="How long Kafka keeps records: topic by topic, and never what no archive has."
)

FAULTY: Final = 1
Where = Annotated[Path, typer.Argument(help="The archive's directory.")]
Policy = Annotated[Path, typer.Option("--policy", help="A YAML file: `topics:` with a time for each, such as 90d.")]


@app.command("write")
def write(
    to: Where,
    until: Annotated[str, typer.Option("--until", help=f"Only what Kafka had by then. {WRITTEN}")] = "now",
    json: JsonOption = False,
) -> None:
    """Writes what Kafka has and the archive lacks. May be killed and run again."""
    from motet import archive  # noqa: PLC0415
    from motet.chassis.log_reader import LogReader  # noqa: PLC0415
    from motet.chassis.registry import Registry  # noqa: PLC0415

    where = settings()
    until_ms = None if until == "now" else int(time_of(until, datetime.now(UTC)).timestamp() * 1_000)
    with (
        closing(LogReader(where.kafka_bootstrap)) as log,
        closing(Registry(where.schema_registry_url)) as registry,
        watched("records", quiet=json) as report,
    ):
        manifest = archive.write(log, registry, to, until_ms, report)
    tell(manifest, to, json=json)


@app.command("list")
def listed(at: Where, json: JsonOption = False) -> None:
    """What an archive has of each partition."""
    from motet import archive  # noqa: PLC0415

    tell(archive.Archive(at).manifest, at, json=json)


def tell(manifest: Manifest, at: Path, *, json: bool) -> None:
    """What an archive has."""
    rows = []
    for (topic, partition), found in sorted(manifest.segments.items()):
        records, size = sum(one.records for one in found), sum(one.size for one in found)
        rows.append((topic, partition, found[0].first, found[-1].next, records, len(found), size))
    total = sum(one.records for one in manifest.all())
    if json:
        names = ("topic", "partition", "first", "next", "records", "files", "bytes")
        show(
            {
                "cluster": manifest.cluster,
                "records": total,
                "partitions": [dict(zip(names, row, strict=True)) for row in rows],
            }
        )
        return
    table(["topic", "partition", "from", "up to", "records", "files", "bytes"], [[*map(str, row)] for row in rows])
    console.print(f"\n{at}: {total:,} records of cluster {manifest.cluster}", markup=False, soft_wrap=True)


@app.command("verify")
def verify(at: Where, json: JsonOption = False) -> None:
    """Whether every file is as it was written. The exit code is 1 if one is not."""
    from motet import archive  # noqa: PLC0415

    found = archive.Archive(at)
    faults = list(archive.verify(found))
    files = sum(1 for _ in found.manifest.all())
    if json:
        show({"files": files, "faults": [{"path": one.path, "said": one.said} for one in faults]})
    else:
        for one in faults:
            console.print(f"[red]{one.path}[/] {one.said}", soft_wrap=True)
        verdict = (
            f"[red]{len(faults)} of {files} files are not as they were written[/]"
            if faults
            else f"[green]{files} files are as they were written[/]"
        )
        console.print(verdict)
    if faults:
        raise typer.Exit(FAULTY)


@retention.command("show")
def shown(
    policy: Policy,
    at: Annotated[Path, typer.Option("--archive", help="The archive that has what is to go.")],
    json: JsonOption = False,
) -> None:
    """What `apply` would delete, and what keeps the rest."""
    decide(policy, at, apply=False, json=json)


@retention.command("apply")
def applied(
    policy: Policy,
    at: Annotated[Path, typer.Option("--archive", help="The archive that has what is to go.")],
    json: JsonOption = False,
) -> None:
    """Deletes from Kafka what is older than the policy says, and what an archive has whole, every group has taken and a checkpoint has signed.

    Erases subjects of tenants for whom nothing was written for as long as the policy says.
    """
    decide(policy, at, apply=True, json=json)


def decide(policy: Path, at: Path, *, apply: bool, json: bool) -> None:
    """Looks at every partition, and deletes what may go if it is asked to."""
    from motet.archive import retention as keeping  # noqa: PLC0415

    where = settings()
    times = keeping.read_policy(policy)
    found = keeping.look(where, at, times.topics, datetime.now(UTC), signed_upto(where))
    with closing(SubjectKeys(where.keys_url)) as keys:
        if apply:
            keeping.delete(where, found)
            erased = {name: keys.expire(name, since, getpass.getuser()) for name, since in times.tenants.items()}
        else:
            erased = {name: keys.unused(name, since) for name, since in times.tenants.items()}
    if json:
        show({"partitions": [one.as_json() for one in found], "subjects": erased})
        return
    rows = [[one.topic, str(one.partition), str(one.begin), str(one.upto), one.kept_by] for one in found]
    table(
        ["topic", "partition", "begins at", "begins then at" if not apply else "begins at now", "what keeps the rest"],
        rows,
    )
    gone = sum(one.upto - one.begin for one in found)
    verb = "were" if apply else "would be"
    for tenant, count in erased.items():
        console.print(f"{count:,} subjects of tenant {tenant} {verb} erased", markup=False)
    console.print(f"\n{gone:,} records {verb} deleted")


def signed_upto(where: Settings) -> dict[Place, int] | None:
    """Up to where the newest checkpoint in the log has each partition; None if there is none."""
    from motet.chassis.registry import Registry  # noqa: PLC0415

    with closing(opened(where)) as log, closing(Registry(where.schema_registry_url)) as registry:
        notes = dict(published(log, Codec(schemas_of(where, registry))))
    if not notes:
        return None
    text = Note.parse(notes[max(notes)]).text
    return {head.place: head.next_offset for head in Checkpoint.parse(text).heads}
