"""`motet subjects`: people whose values are sealed, each with a key of its own; who destroys the key has erased the values."""

from __future__ import annotations

import getpass
import json as jsons
import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Any, Final

import typer

from motet.chassis.errors import ConfigurationError
from motet.chassis.subject_keys import SubjectKeys
from motet.cli.connection import settings
from motet.cli.output import JsonOption, console, show, table
from motet.personal.sealing import KeyErased, NoSuchKey, seal, unseal
from motet.personal.text import SEALED

app = typer.Typer(
    no_args_is_help=True, help="Personal values: whose they are, opening them, and erasing them for good."
)

Of = Annotated[str, typer.Option("--tenant", help="Whose subject.")]
Who = Annotated[str, typer.Argument(help="The subject, such as customer:42.")]
By = Annotated[str | None, typer.Option("--as", help="Who does it; your user name when absent.")]
ERASED: Final = "[erased]"
NOT_OPENED: Final = "[sealed by another key]"


@contextmanager
def keys() -> Iterator[SubjectKeys]:
    """The keys, where the settings say that they are."""
    with closing(SubjectKeys(settings().keys_url)) as found:
        yield found


@app.command("list")
def list_subjects(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None, json: JsonOption = False
) -> None:
    """Shows all subjects, also those that were erased, by whom and why."""
    with keys() as found:
        rows = found.subjects(tenant)
    if json:
        show([{name: getattr(one, name) for name in type(one).__slots__} for one in rows])
        return
    if not rows:
        console.print("nothing was ever sealed")
        return
    table(
        ["tenant", "subject", "key", "made", "last used (day)", "erased", "by", "reason"],
        [
            [
                *(one.tenant, one.subject, one.key_id, f"{one.made_at:%F %T}", f"{one.used_at:%F}"),
                *("" if one.erased_at is None else f"{one.erased_at:%F %T}", one.erased_by or "", one.reason or ""),
            ]
            for one in rows
        ],
    )


@app.command("erase")
def erase(
    subject: Who,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept, so say nothing personal.")],
    tenant: Of = "default",
    who: By = None,
    json: JsonOption = False,
) -> None:
    """Destroys a subject's key: none of its values can be opened again, wherever a copy is. There is no way back."""
    with keys() as found:
        done = found.erase(tenant, subject, who or getpass.getuser(), reason)
    if json:
        show({name: getattr(done, name) for name in type(done).__slots__})
        return
    console.print(
        f"erased: subject {done.subject} of tenant {done.tenant}, key {done.key_id}, at {done.erased_at:%F %T} by {done.erased_by}",
        markup=False,
        soft_wrap=True,
    )
    console.print(
        "What tools wrote into tables of their own, and backups of the keys' table, are yours to erase.", soft_wrap=True
    )


@app.command("seal")
def seal_value(
    subject: Who,
    value: Annotated[str, typer.Argument(help="The value as JSON, such as '\"Ada\"'; - reads it from standard input.")],
    tenant: Of = "default",
) -> None:
    """Prints sealed text of a value, for a command that is written by hand."""
    text = sys.stdin.read() if value == "-" else value
    try:
        data = jsons.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"the value is no JSON ({error}); a text stands in quotes: '\"Ada\"'") from error
    with keys() as found:
        typer.echo(seal(found.of(tenant, subject), tenant, data))


@app.command("open")
def open_values(tenant: Of = "default") -> None:
    """Copies standard input to standard output with every sealed text opened: `motet plan ID --json | motet subjects open`."""
    with keys() as found:

        def said(text: re.Match[str]) -> str:
            return opened(found, tenant, text[0])

        for line in sys.stdin:
            typer.echo(SEALED.sub(said, line), nl=False)


def opened(found: SubjectKeys, tenant: str, text: str) -> str:
    """What a sealed text says, as it stands within a JSON string or a sentence."""
    try:
        value: Any = unseal(found, tenant, text)
    except KeyErased:
        return ERASED
    except NoSuchKey:
        return NOT_OPENED
    return (
        jsons.dumps(value, ensure_ascii=False)[1:-1] if isinstance(value, str) else jsons.dumps(value).replace('"', "'")
    )
