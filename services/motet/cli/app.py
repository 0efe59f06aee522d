"""`motet`: its commands, and what a person reads when one fails."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from motet.chassis.errors import MotetError
from motet.cli import serving
from motet.cli.output import errors

USAGE = 2
INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Parallel tool calls for AI agents: one history, one state, every effect once.",
)
app.add_typer(serving.tools, name="tools")
app.command()(serving.serve)
app.command()(serving.provision)


def main() -> None:
    """Runs a command. What a person can correct is one line and exit code 2."""
    try:
        app()
    except MotetError as error:
        errors.print(f"[bold red]motet:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
