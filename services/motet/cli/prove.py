"""`motet prove`: kills a toolset's service at each point, and says which tools repeat their effect."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from motet.chassis.errors import ConfigurationError
from motet.cli.output import JsonOption, console, errors, show, table
from motet.platform.finding import home

if TYPE_CHECKING:
    from motet.testing.proving import Sweep

WRONG: Final = 1
NOTHING: Final = 2
GIVEN: Final = ("MOTET_KAFKA_BOOTSTRAP", "MOTET_POSTGRES_URL", "MOTET_SCHEMA_REGISTRY_URL", "MOTET_KAFKA_PROPERTIES")
COLORS: Final = {
    **dict.fromkeys(("once", "none"), "green"),
    **dict.fromkeys(("repeated", "lost", "untold", "open"), "red"),
}


def prove(
    module: Annotated[
        str, typer.Argument(help="file.py, package.module or package.module:toolset, with its `proofs`.")
    ],
    tool: Annotated[list[str] | None, typer.Option("--tool", help="Only this one; may be repeated.")] = None,
    point: Annotated[list[str] | None, typer.Option("--point", help="Only this one; may be repeated.")] = None,
    json: JsonOption = False,
) -> None:
    """Kills the tool service of a module at each point of a call, starts it again, and counts the call's effects (docs/testing.md).

    Everything runs on servers of its own, which are removed at the end. The exit code is 1 if a tool repeated or lost an effect, or a
    proof's own example does not succeed, and 2 if nothing was proved.
    """
    from motet.platform import Platform, unprivileged  # noqa: PLC0415  most commands prove nothing
    from motet.testing import proving  # noqa: PLC0415

    given = [name for name in GIVEN if os.environ.get(name)]
    if given:
        raise ConfigurationError(
            f"{', '.join(given)}: a proof kills services, so it starts servers of its own; run it without"
        )
    chosen = proving.Chosen(tool or (), point or ())
    # What is wrong with the module or the names is said before any server starts.
    proving.prepared(module, chosen)
    directory = home() / "prove"
    running = Platform(directory).supervisor()
    if running is not None:
        raise ConfigurationError(
            f"another proof runs under {directory}; wait for it, or set MOTET_HOME to another folder"
        )
    unprivileged.remove(directory)
    heard("starting empty servers")
    platform = Platform.up(directory, [], lifetime="caller")
    try:
        addresses = platform.addresses
        # For an author's own `effects`, which may look into the database.
        os.environ.update(addresses.environment())
        sweep = proving.run(addresses, directory / "logs", module, chosen, heard)
    finally:
        for name in GIVEN:
            os.environ.pop(name, None)
        heard("stopping")
        platform.down()
        unprivileged.remove(directory)
    if json:
        show(sweep.as_json())
    else:
        tell(sweep)
    if sweep.wrong or sweep.outdated:
        raise typer.Exit(WRONG)
    if not sweep.kills:
        errors.print("nothing was proved: no tool was killed at a point at which its effects could be counted")
        raise typer.Exit(NOTHING)


def heard(what: str) -> None:
    """What begins."""
    errors.print(f"  {what} …", highlight=False)


def tell(sweep: Sweep) -> None:
    """For people."""
    rows = [
        [
            case.tool,
            case.effect.lower(),
            case.point or "-",
            case.end,
            "-"
            if case.effects is None
            else f"{case.effects}"
            if case.one in (None, 1)
            else f"{case.effects} of {case.one}",
            colored(case.verdict),
        ]
        for case in sweep.cases
    ]
    if rows:
        table(["tool", "effect", "killed at", "call", "effects", "verdict"], rows)
        console.print()
    for case in sweep.cases:
        if case.why:
            console.print(f"{case.verdict}: {escape(case.tool)}: {escape(case.why)}", soft_wrap=True)
    for name, why in sweep.untried.items():
        console.print(f"not tried: {escape(name)}: {escape(why)}", soft_wrap=True)
    tools = {case.tool for case in sweep.cases}
    wrong = sorted({case.tool for case in sweep.wrong})
    fine = "[green]no effect was repeated or lost[/]" if sweep.kills else "[yellow]nothing was proved[/]"
    verdict = f"[red]wrong: {', '.join(wrong)}[/]" if wrong else fine
    console.print(f"{len(tools)} tools, {sweep.kills} kills in {sweep.seconds:.0f} s: {verdict}", soft_wrap=True)


def colored(verdict: str) -> str:
    """A verdict in its colour."""
    return f"[{COLORS.get(verdict, 'yellow')}]{verdict}[/]"
