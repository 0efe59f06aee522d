"""`motet export` and `motet verify`: one plan's history in one file, and whether it is what was signed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from motet.archive import opened, schemas_of
from motet.chassis.errors import ConfigurationError
from motet.checkpoints import keys
from motet.cli.checkpoints import FAILED, From, Public, directory
from motet.cli.connection import settings
from motet.cli.output import JsonOption, console, show
from motet.evidence import statement
from motet.evidence.bundle import REPORT
from motet.evidence.checking import PLAN, Checked, check
from motet.evidence.container import unpack
from motet.evidence.gathering import gather
from motet.proofs.chain import read_chain
from motet.proofs.checkpoint import written_time


def export(
    plan_id: Annotated[str, typer.Argument(help="The plan's id.")],
    public_key: Public,
    out: Annotated[Path | None, typer.Option("--out", help="The file; PLAN.zip when absent.")] = None,
    kept: From = None,
) -> None:
    """Writes everything that the log has of a plan into one file, with the proofs that it is in a signed checkpoint."""
    from motet.chassis.registry import Registry  # noqa: PLC0415  its sign-in takes long to load

    if not PLAN.fullmatch(plan_id):
        raise ConfigurationError(f"{plan_id!r} is no plan id: 32 hex digits, or 30 and -c or -h")
    where = settings()
    place, trusted = directory(kept, where), keys.read_public(public_key)
    newest = read_chain(place.notes(), trusted).newest
    if newest is None:
        raise ConfigurationError(
            f"{place.path} has no checkpoint that can be trusted: `motet checkpoint create` makes one"
        )
    with closing(Registry(where.schema_registry_url)) as registry, closing(opened(where)) as reader:
        data = gather(
            reader, schemas_of(where, registry), newest, place.note(newest.number), public_key.read_text(), plan_id
        )
    target = out or Path(f"{plan_id}.zip")
    try:
        target.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}") from error
    checked = check(data, trusted)
    console.print(f"{target}: {checked.records} records, in checkpoint {newest.number}", markup=False, soft_wrap=True)
    print_findings(checked)


def sign(
    files: Annotated[list[Path], typer.Argument(help="The files to sign: an answer in words, and its evidence.")],
    key_file: Annotated[Path, typer.Option("--key", help="Your private key; `motet checkpoint keygen` makes one.")],
    out: Annotated[Path, typer.Option("--out", help="Where the signed note goes, beside the files.")],
) -> None:
    """Signs files: writes a note of their SHA-256, which `motet verify` checks beside them."""
    note = statement.sign(files, keys.read_private(key_file))
    try:
        out.write_text(note, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}") from error
    console.print(f"{out}: {len(files)} files, signed", markup=False, soft_wrap=True)


def verify(
    bundle: Annotated[Path, typer.Argument(help="A file that `motet export` or `motet sign` wrote.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="The public keys that you trust; else those in the bundle.")
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="Shows the report as well.")] = False,
    json: JsonOption = False,
) -> None:
    """Checks a bundle, or signed files, offline: no network, no Kafka, no database. The exit code is 1 if anything was changed."""
    try:
        data = bundle.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{bundle} cannot be read: {error.strerror}") from error
    if statement.is_note(data):
        verify_files(data, bundle, public_key, json=json)
        return
    checked = check(data, None if public_key is None else keys.read_public(public_key))
    if json:
        found = [{"file": file, "message": message} for file, message in checked.findings]
        signers = list(checked.signers)
        number = checked.checkpoint.number if checked.checkpoint else None
        about = {"plan_id": checked.plan_id, "records": checked.records, "checkpoint": number, "signed_by": signers}
        show({**about, "keys_trusted": public_key is not None, "violations": found})
    else:
        print_checked(checked, bundle, trusted=public_key is not None)
        if report and not checked.findings:
            typer.echo(unpack(data)[REPORT].decode())
    if checked.findings:
        raise typer.Exit(FAILED)


def verify_files(data: bytes, note: Path, public_key: Path | None, *, json: bool) -> None:
    """Whether the files beside a note are those that were signed."""
    if public_key is None:
        raise ConfigurationError(f"whose signature do you trust under {note}? Name the public keys with --public-key")
    files, signers, wrong = statement.check(data, note.parent, keys.read_public(public_key))
    if json:
        show({"files": files, "signed_by": signers, "violations": wrong})
    else:
        for one in wrong:
            console.print(f"[red]{escape(one)}[/]", soft_wrap=True)
        if not wrong:
            console.print(
                f"{', '.join(files)}: as they were signed by {', '.join(signers)}", markup=False, soft_wrap=True
            )
    if wrong:
        raise typer.Exit(FAILED)


def print_checked(checked: Checked, bundle: Path, *, trusted: bool) -> None:
    """What was found, for people."""
    print_findings(checked)
    if checked.findings or checked.checkpoint is None:
        return
    one = checked.checkpoint
    console.print(f"plan {checked.plan_id}: {checked.records} records, as they were signed", markup=False)
    console.print(f"  checkpoint {one.number} of cluster {one.cluster}, {written_time(one.time_ms)}", markup=False)
    console.print(f"  signed by {', '.join(checked.signers)}", markup=False)
    if not trusted:
        console.print(
            f"  [yellow]whose key that is only {bundle.name} says[/]: compare it with one that you got in another way, by --public-key",
            soft_wrap=True,
        )


def print_findings(checked: Checked) -> None:
    """What was changed, and where."""
    for file, message in checked.findings:
        console.print(f"[red]{escape(file)}[/]: {escape(message)}", soft_wrap=True)
