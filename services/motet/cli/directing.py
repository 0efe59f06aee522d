"""`motet cancel`, `approve`, `deny`, `settle`, `resume` and `budget`: commands about what is there, each with its answer."""

from __future__ import annotations

import getpass
import json as jsonlib
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.markup import escape

from motet.chassis.errors import ConfigurationError
from motet.cli.connection import reader, settings
from motet.cli.output import JsonOption, console, rows_of, show
from motet.client import Budget, Client
from motet.client.directing import Directing
from motet.client.summary import summary
from motet.records import CommittedEvent

PlanId = Annotated[str, typer.Argument(help="A plan's id, or its first 6 digits or more.")]
CallId = Annotated[str, typer.Argument(help="The call's name within the plan.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it becomes part of the event.")]
Agent = Annotated[str | None, typer.Option("--as", help="Who decides; your user name when absent.")]
Digest = Annotated[
    str | None, typer.Option("--arguments-sha256", help="The arguments you saw; shown by `motet approvals --json`.")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for the answer at most.")]


def find_plan(prefix: str) -> dict[str, Any]:
    """The plan that an id, or the beginning of one, names."""
    with reader() as connection:
        found = rows_of(
            connection.execute("SELECT * FROM plans WHERE starts_with(plan_id, %s) ORDER BY plan_id LIMIT 3", (prefix,))
        )
    if not found:
        raise ConfigurationError(f"there is no plan {prefix}: is the projector running? (`motet status`)")
    if len(found) > 1:
        raise ConfigurationError(f"several plans begin with {prefix}: {', '.join(one['plan_id'] for one in found)}")
    return found[0]


def answered(
    tenant: str, domain: str, agent: str | None, timeout: float, json: bool, send: Callable[[Directing], CommittedEvent]
) -> None:
    """Sends a command and shows its answer. Refused is raised with the reasons."""
    where = settings()
    who = agent or getpass.getuser()
    with Client(where.kafka_bootstrap, where.schema_registry_url, tenant=tenant, domain=domain, agent=who) as client:
        event = send(Directing(client, timeout))
    if json:
        show({"type": event.FULL_NAME, **event.to_avro()})
    else:
        console.print(f"{event.FULL_NAME.rpartition('.')[2]}: {escape(summary(event))}")


def cancel(
    plan_id: PlanId, reason: Reason = "", agent: Agent = None, timeout: Timeout = 30.0, json: JsonOption = False
) -> None:
    """Stops a plan: nothing more of it starts, what runs is told, and its end is recorded."""
    plan = find_plan(plan_id)
    answered(plan["tenant"], plan["domain"], agent, timeout, json, lambda it: it.cancel(plan["plan_id"], reason))


def approve(
    plan_id: PlanId,
    call_id: CallId,
    sha256: Digest = None,
    reason: Reason = "",
    agent: Agent = None,
    timeout: Timeout = 30.0,
    json: JsonOption = False,
) -> None:
    """Lets a call run that waits for a person."""
    plan, digest = find_plan(plan_id), sha256 or arguments_of(plan_id, call_id, json)
    answered(
        *(plan["tenant"], plan["domain"], agent, timeout, json),
        lambda it: it.approve(plan["plan_id"], call_id, digest, reason),
    )


def deny(
    plan_id: PlanId,
    call_id: CallId,
    sha256: Digest = None,
    reason: Reason = "",
    agent: Agent = None,
    timeout: Timeout = 30.0,
    json: JsonOption = False,
) -> None:
    """Ends a call that waits for a person; it does not run."""
    plan, digest = find_plan(plan_id), sha256 or arguments_of(plan_id, call_id, json)
    answered(
        *(plan["tenant"], plan["domain"], agent, timeout, json),
        lambda it: it.deny(plan["plan_id"], call_id, digest, reason),
    )


def arguments_of(plan_id: str, call_id: str, json: bool) -> str:
    """The digest of the arguments that wait for a decision, which are shown."""
    with reader() as connection:
        found = rows_of(
            connection.execute(
                "SELECT tool, arguments, arguments_sha256 FROM approvals WHERE starts_with(plan_id, %s) AND call_id = %s",
                (plan_id, call_id),
            )
        )
    if not found:
        raise ConfigurationError(f"call {call_id} of plan {plan_id} waits for no decision (`motet approvals`)")
    one = found[0]
    if not json:
        console.print(f"{one['tool']} with {escape(jsonlib.dumps(one['arguments'], ensure_ascii=False))}")
    return str(one["arguments_sha256"])


def settle(
    plan_id: PlanId,
    call_id: CallId,
    happened: Annotated[bool, typer.Option("--happened", help="It happened; give its result.")] = False,
    did_not_happen: Annotated[bool, typer.Option("--did-not-happen", help="It did not happen.")] = False,
    compensate: Annotated[bool, typer.Option("--compensate", help="Undo it, as if it had happened.")] = False,
    result: Annotated[str, typer.Option("--result", help="Its result as JSON, with --happened.")] = "null",
    compensation: Annotated[
        bool, typer.Option("--compensation", help="It is the call's compensation that is in doubt.")
    ] = False,
    reason: Reason = "",
    agent: Agent = None,
    timeout: Timeout = 30.0,
    json: JsonOption = False,
) -> None:
    """Settles a call in doubt, once you found out what became of it (`motet calls in-doubt`)."""
    words = {"happened": happened, "did_not_happen": did_not_happen, "compensate": compensate}
    chosen = [word for word, said in words.items() if said]
    if len(chosen) != 1:
        raise ConfigurationError("say one of --happened, --did-not-happen and --compensate")
    try:
        value = jsonlib.loads(result)
    except ValueError as error:
        raise ConfigurationError(f"--result {result!r} is no JSON: {error}") from error
    plan, finding = find_plan(plan_id), chosen[0]
    answered(
        *(plan["tenant"], plan["domain"], agent, timeout, json),
        lambda it: it.settle(
            *(plan["plan_id"], call_id, finding, value, reason),  # type: ignore[arg-type]  # one of the three words
            compensation=compensation,
        ),
    )


def resume(
    plan_id: PlanId,
    skip: Annotated[
        list[str] | None, typer.Option("--skip", help="A call that was undone by other means; may be repeated.")
    ] = None,
    reason: Reason = "",
    agent: Agent = None,
    timeout: Timeout = 30.0,
    json: JsonOption = False,
) -> None:
    """Goes on with a compensation that failed (`motet compensations`)."""
    plan = find_plan(plan_id)
    answered(
        *(plan["tenant"], plan["domain"], agent, timeout, json),
        lambda it: it.resume_compensation(plan["plan_id"], skip or (), reason),
    )


def budget(
    subject: Annotated[str, typer.Argument(metavar="AGENT", help="The agent whose budget it is.")],
    tenant: Annotated[str, typer.Option(help="The tenant.")],
    domain: Annotated[str, typer.Option(help="The domain: an agent has a budget in each.")],
    calls: Annotated[int | None, typer.Option(min=0, help="Calls at most.")] = None,
    cost: Annotated[str | None, typer.Option(help="Cost at most, in the tenant's currency.")] = None,
    tokens: Annotated[int | None, typer.Option(min=0, help="Tokens at most.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="Running time at most.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Counts from nothing again.")] = False,
    reason: Reason = "",
    agent: Agent = None,
    timeout: Timeout = 30.0,
    json: JsonOption = False,
) -> None:
    """Sets what an agent may spend in a domain over all its plans; what is not named is without limit."""
    limits = Budget(calls, cost, tokens, seconds)
    answered(tenant, domain, agent, timeout, json, lambda it: it.set_budget(subject, limits, reason, reset=reset))
