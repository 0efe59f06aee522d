"""`motet new`: a small project that works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from motet.cli.output import console


def new(
    name: Annotated[str, typer.Argument(help="The project's name: lower-case letters, digits, hyphens.")],
    directory: Annotated[Path | None, typer.Option(help="Where to write it; a folder of its name without.")] = None,
) -> None:
    """Writes a small project that works: one agent, two tools, tests for them, a compose file."""
    from motet.starting import write  # noqa: PLC0415

    where = directory or Path(name)
    for path in write(name, where):
        console.print(f"  {path}", markup=False, soft_wrap=True)
    console.print("\nNext:")
    for command, meaning in (
        (f"cd {where}", ""),
        ("pytest", "its tests: functions, plans in memory, real servers"),
        ("motet up --tools tools.py --agents agent.py", "starts everything"),
        (f'motet agents tell {name}-clerk \'{{"items": ["pen"], "budget": 5}}\'', "a first customer"),
    ):
        console.print(f"  {command:70} {meaning}".rstrip(), markup=False, soft_wrap=True)
