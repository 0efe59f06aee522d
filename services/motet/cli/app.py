"""`motet`: its commands, and what a person reads when one fails."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from motet.chassis.errors import MotetError
from motet.cli import (
    agents,
    archiving,
    asyncapi,
    auditing,
    bench,
    capacity,
    changes,
    chaos,
    checkpoints,
    dead_letters,
    demo,
    directing,
    durability,
    evidence,
    leases,
    lineage,
    lines,
    looking,
    mcp,
    models,
    new,
    past,
    plans,
    prove,
    replaying,
    returns,
    running,
    serving,
    simulating,
    subjects,
    tools,
)
from motet.cli.output import errors
from motet.platform import PlatformError

USAGE = 2
INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Parallel tool calls for AI agents: one history, one state, every effect once.",
)
for platform_command in (running.up, running.down, running.status, running.logs, running.doctor):
    app.command(rich_help_panel="The platform on this machine")(platform_command)
app.command(rich_help_panel="The platform on this machine")(durability.durability)
for plan_command in (plans.submit, plans.plan, plans.events, plans.sql, plans.rebuild):
    app.command(rich_help_panel="Plans, events and projections")(plan_command)
app.add_typer(past.app, name="at", rich_help_panel="The past")
app.command(rich_help_panel="The past")(past.compare)
for history_command in (replaying.replay, replaying.record, replaying.recover):
    app.command(rich_help_panel="The past")(history_command)
app.command(rich_help_panel="The past")(lineage.lineage)
app.command(rich_help_panel="The past")(changes.changes)
app.command(rich_help_panel="The past")(returns.roi)
app.command(rich_help_panel="Proof")(auditing.audit)
for direct_command in (
    *(directing.cancel, directing.approve, directing.deny, directing.settle, directing.resume, directing.budget),
    *(lines.resources, looking.approvals, looking.compensations, looking.conflicts, looking.budgets, looking.breakers),
):
    app.command(rich_help_panel="When something goes otherwise")(direct_command)
app.add_typer(looking.calls, name="calls", rich_help_panel="When something goes otherwise")
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel="When something goes otherwise")
app.add_typer(leases.app, name="leases", rich_help_panel="Leases and leaders")
app.command(rich_help_panel="Leases and leaders")(leases.leaders)
for evidence_command in (evidence.export, evidence.sign, evidence.verify):
    app.command(rich_help_panel="Proof")(evidence_command)
app.add_typer(checkpoints.app, name="checkpoint", rich_help_panel="Proof")
app.add_typer(archiving.app, name="archive", rich_help_panel="Proof")
app.add_typer(archiving.retention, name="retention", rich_help_panel="Proof")
app.add_typer(subjects.app, name="subjects", rich_help_panel="Proof")
app.command(rich_help_panel="See it work")(new.new)
app.command(rich_help_panel="See it work")(prove.prove)
app.command(rich_help_panel="See it work")(demo.demo)
app.command(rich_help_panel="See it work")(bench.bench)
app.command("plan-capacity", rich_help_panel="See it work")(capacity.plan_capacity)
app.command(rich_help_panel="See it work")(simulating.simulate)
app.command(rich_help_panel="See it work")(chaos.chaos)
app.add_typer(agents.app, name="agents", rich_help_panel="Plans, events and projections")
app.add_typer(models.app, name="models", rich_help_panel="What a deployment runs")
app.add_typer(tools.app, name="tools", rich_help_panel="What a deployment runs")
app.command(rich_help_panel="What a deployment runs")(serving.serve)
app.command(rich_help_panel="What a deployment runs")(serving.provision)
app.command(rich_help_panel="What a deployment runs")(mcp.mcp)
app.command(rich_help_panel="What a deployment runs")(asyncapi.asyncapi)


def main() -> None:
    """Runs a command. What a person can correct is one line and exit code 2."""
    try:
        app()
    except (MotetError, PlatformError) as error:
        errors.print(f"[bold red]motet:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(USAGE)
    except KeyboardInterrupt:
        errors.print("motet: interrupted")
        sys.exit(INTERRUPTED)
