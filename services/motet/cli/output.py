"""What commands print: tables for people, `--json` for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON value on standard output, for programs.")]

COLORS = {
    **dict.fromkeys(("SUCCEEDED", "COMPENSATED", "APPROVED", "CLOSED", "REDRIVEN"), "green"),
    **dict.fromkeys(("FAILED", "REJECTED", "COMPENSATION_FAILED", "IN_DOUBT", "DENIED", "OPEN", "FAILED_AGAIN"), "red"),
    **dict.fromkeys(("SKIPPED", "CANCELLED", "EXPIRED", "WITHDRAWN", "RETRYING", "AWAITING_APPROVAL"), "yellow"),
}

console = Console(highlight=False, soft_wrap=False)
errors = Console(stderr=True, highlight=False)


def program() -> str:
    """How the person can run `motet` from here: its name where the shell finds it, else the path."""
    if shutil.which("motet"):
        return "motet"
    path = Path(sys.argv[0])
    return os.path.relpath(path) if path.name == "motet" else f"{os.path.relpath(sys.executable)} -m motet"


def show(value: Any) -> None:
    """A value as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


@contextmanager
def watched(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar for a person who waits, which is told how much is done, and of how much; nothing where a program reads."""
    if quiet or not console.is_terminal:
        yield lambda *_: None
        return
    with Progress(console=errors, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """Rows under headings; a terminal's width decides what is folded, a pipe gets whole lines."""
    grid = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        grid.add_column(heading, overflow="fold", no_wrap=not console.is_terminal)
    for row in rows:
        grid.add_row(*row)
    if console.is_terminal:
        console.print(grid)
    else:
        Console(highlight=False, width=10_000).print(grid)


def colored(status: str) -> str:
    """A status in its colour."""
    return f"[{COLORS.get(status, 'cyan')}]{status}[/]"


def rows_of(cursor: psycopg.Cursor[Any]) -> list[dict[str, Any]]:
    """A query's rows by column."""
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
