"""`motet tools`: run a tool service, and look at contracts: a module's, those that are published, and what is between the two."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from motet.chassis.errors import ConfigurationError
from motet.cli.connection import settings as find_settings
from motet.cli.output import JsonOption, console, show, table

if TYPE_CHECKING:
    from motet.tools import Contract
    from motet.tools.compatibility import Change

app = typer.Typer(no_args_is_help=True, help="Tool services: run one, look at contracts, and compare them.")
Module = Annotated[str, typer.Argument(help="package.module, package.module:toolset or file.py")]
Published = Annotated[
    str | None, typer.Argument(help="package.module, package.module:toolset or file.py; what is published without.")
]
# Exit codes as diff has them.
DIFFERENT: Final = 1


class Form(Enum):
    """How a contract is shown."""

    PAGE = "page"
    MODEL = "model"
    AVRO = "avro"
    JSON = "json"


@app.command("serve")
def serve_tools(module: Module) -> None:
    """Runs a toolset as a service of its own in this process until SIGTERM or Ctrl-C."""
    from motet.chassis.loop import Loop  # noqa: PLC0415
    from motet.tools import host, load  # noqa: PLC0415

    settings = find_settings()
    Loop(host.service(load(module), settings), settings).run()


@app.command("list")
def list_tools(module: Published = None, json: JsonOption = False) -> None:
    """Shows the contracts that a module's tools would publish, or those that are published, in all versions."""
    contracts = [contract for _, contract in sorted(known_to(module).items())]
    if json:
        show([{**one.fields(), "sha256": one.sha256} for one in contracts])
        return
    if not contracts:
        console.print("no tool is published: is a tool service running? (`motet status`)")
        return
    rows = [
        [
            one.name,
            str(one.version),
            one.effect.lower(),
            escape(", ".join(f"{claim.mode.lower()} {claim.template}" for claim in one.claims)),
            escape(one.description.partition("\n")[0]),
        ]
        for one in contracts
    ]
    table(["tool", "version", "effect", "resources", "description"], rows)


@app.command("show")
def show_tool(
    tool: Annotated[str, typer.Argument(help="The full name, such as bank.transfer.")],
    module: Published = None,
    version: Annotated[int | None, typer.Option(min=1, help="The newest without.")] = None,
    form: Annotated[
        Form,
        typer.Option(
            "--as", help="A page for readers, the function that models see, Avro schemas, or the contract's own fields."
        ),
    ] = Form.PAGE,
) -> None:
    """Shows one tool: Markdown for readers, JSON Schema for models, Avro for topics, all from one Python signature."""
    contract = picked(known_to(module), tool, version)
    if form is Form.PAGE:
        from motet.tools.page import page  # noqa: PLC0415

        typer.echo(page(contract), nl=False)
    elif form is Form.MODEL:
        from motet.adapters import offered, schemas  # noqa: PLC0415

        show(schemas(offered([contract]))[0])
    elif form is Form.AVRO:
        from motet.tools.avro_form import avro_of  # noqa: PLC0415

        show(avro_of(contract))
    else:
        show({**contract.fields(), "sha256": contract.sha256})


@app.command("diff")
def diff_tools(module: Module, former: Published = None, json: JsonOption = False) -> None:
    """What a module's contracts change of those that are published, or of another module's. The exit code is 1 if they do."""
    found = [one for one in changes_between(module, former) if one.state != "same"]
    if json:
        show([one.fields() for one in found])
    elif not found:
        console.print("no difference")
    else:
        for one in found:
            tell(one)
    if found:
        raise typer.Exit(DIFFERENT)


@app.command("check")
def check_tools(module: Module, former: Published = None, json: JsonOption = False) -> None:
    """Whether a module's tool service would start beside what is published: the exit code is 1 if it would be refused."""
    found = changes_between(module, former)
    refused = [one for one in found if one.refused is not None]
    if json:
        show([one.fields() for one in found])
    else:
        for one in refused:
            tell(one)
        counts = {state: sum(one.state == state for one in found) for state in ("same", "new", "changed", "gone")}
        told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        console.print(f"{told}: the service {'does not start' if refused else 'starts'}")
    if refused:
        raise typer.Exit(DIFFERENT)


def known_to(module: str | None) -> dict[tuple[str, int], Contract]:
    """A module's contracts, or the published ones."""
    from motet.tools import load  # noqa: PLC0415
    from motet.tools.published import offered_by, published  # noqa: PLC0415

    return published(find_settings()) if module is None else offered_by(load(module))


def changes_between(module: str, former: str | None) -> list[Change]:
    """What a module changes of another's contracts, or of the published ones."""
    from motet.tools import load  # noqa: PLC0415
    from motet.tools.published import changes_by  # noqa: PLC0415

    return changes_by(load(module), known_to(former))


def picked(contracts: dict[tuple[str, int], Contract], tool: str, version: int | None) -> Contract:
    """One version of a tool. Raises ConfigurationError, with those that are there."""
    versions = sorted(number for name, number in contracts if name == tool)
    if not versions:
        names = ", ".join(sorted({name for name, _ in contracts})) or "none"
        raise ConfigurationError(f"there is no tool {tool!r}; there are: {names}")
    found = contracts.get((tool, versions[-1] if version is None else version))
    if found is None:
        raise ConfigurationError(f"{tool} has no version {version}; it has {', '.join(map(str, versions))}")
    return found


def tell(one: Change) -> None:
    """A change for people."""
    against = "" if one.former in (None, one.version) else f" after version {one.former}"
    console.print(f"[bold]{one.name}[/] version {one.version}: {one.state}{against}", soft_wrap=True)
    for sign, color, lines in (("-", "red", one.breaks), (" ", "default", one.notes)):
        for line in lines:
            console.print(f"  [{color}]{sign} {escape(line)}[/]", soft_wrap=True)
    if one.refused is not None:
        console.print(f"  [bold red]refused[/]: {escape(one.refused)}", soft_wrap=True)
