"""`motet durability`: what a loss would cost, by the settings of the servers as they are."""

from __future__ import annotations

from dataclasses import asdict

import typer

from motet.chassis.durability import judge, read
from motet.cli.connection import settings
from motet.cli.output import JsonOption, console, show, table


def durability(json: JsonOption = False) -> None:
    """Says what Kafka and PostgreSQL keep when a broker, a disk or a machine is lost, by their settings as they are.

    The exit code is 1 if anything could be lost that was acknowledged.
    """
    found = settings()
    findings = [*judge(read(found.kafka_bootstrap, found.postgres_url))]
    lacking = [one for one in findings if not one.ok]
    if json:
        show({"kept": not lacking, "findings": [asdict(one) for one in findings]})
    else:
        table(["", "what", "found"], [["ok" if one.ok else "LESS", one.what, one.found] for one in findings])
        console.print()
        for one in lacking:
            console.print(f"{one.what}: {one.otherwise}. Wanted: {one.wanted}.", markup=False, soft_wrap=True)
        if not lacking:
            console.print("what was acknowledged outlives the loss of any one of these machines")
    if lacking:
        raise typer.Exit(1)
