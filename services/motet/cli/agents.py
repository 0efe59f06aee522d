"""`motet agents`: run an agent's service, talk with agents, and look at their conversations."""

from __future__ import annotations

import json as jsonlib
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from motet.chassis.errors import ConfigurationError
from motet.cli.connection import settings as find_settings
from motet.cli.looking import SHOWN, Last, Tenant, lines, query
from motet.cli.output import JsonOption, colored, console, show, table

if TYPE_CHECKING:
    from motet.client.conversations import Answer

app = typer.Typer(no_args_is_help=True, help="Agents: run one, talk with it, and look at its conversations.")
Name = Annotated[str, typer.Argument(help="The agent's name.")]


@app.command("serve")
def serve_agent(
    module: Annotated[str, typer.Argument(help="package.module, package.module:agent or file.py")],
) -> None:
    """Runs an agent as a service of its own in this process until SIGTERM or Ctrl-C."""
    from motet import agency  # noqa: PLC0415
    from motet.chassis.loop import Loop  # noqa: PLC0415

    settings = find_settings()
    Loop(agency.service(agency.load(module), settings), settings).run()


@app.command("tell")
def tell_agent(
    agent: Name,
    content: Annotated[str, typer.Argument(help="JSON, or a text.")],
    conversation: Annotated[str | None, typer.Option(help="An open conversation; without it a new one begins.")] = None,
    sender: Annotated[str, typer.Option("--as", help="Who says it.")] = "cli",
    key: Annotated[str | None, typer.Option(help="The same key again is the same message.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose conversation it is.")] = "default",
    domain: Annotated[str, typer.Option(help="The unit of order that it and its plans are in.")] = "default",
    timeout: Annotated[float, typer.Option(min=0.1, help="How long an answer is waited for, in seconds.")] = 60.0,
    json: JsonOption = False,
) -> None:
    """Tells an agent something and prints what it answers. The exit code is 1 if the conversation ended otherwise than done."""
    from motet.client import Client  # noqa: PLC0415
    from motet.client.conversations import tell  # noqa: PLC0415

    where = find_settings()
    with Client(where.kafka_bootstrap, where.schema_registry_url, tenant=tenant, domain=domain, agent=sender) as client:
        answer = tell(client, agent, said(content), conversation=conversation, key=key, timeout_seconds=timeout)
    if json:
        show(fields(answer))
    else:
        for one in answer.said:
            console.print(shown(one), markup=False, soft_wrap=True)
        ended = f"conversation {escape(answer.conversation)}: {colored(answer.outcome)}"
        more = "" if answer.result is None else f" {escape(shown(answer.result))}"
        console.print(f"{ended}{more}{'' if answer.error is None else f' {escape(answer.error)}'}", soft_wrap=True)
    if answer.outcome not in ("GOES_ON", "DONE"):
        raise typer.Exit(1)


@app.command("list")
def list_conversations(
    agent: Annotated[str | None, typer.Option(help="Only this agent's.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only these: GOES_ON, DONE, FAILED, LIMIT_REACHED.")] = None,
    tenant: Tenant = None,
    last: Last = SHOWN,
    json: JsonOption = False,
) -> None:
    """Conversations, those that were decided about last first."""
    rows = query(
        "SELECT tenant, domain, agent, conversation, asker, steps, calls, outcome AS status, error_code, last_at FROM conversations "
        "WHERE (%(agent)s::text IS NULL OR agent = %(agent)s) AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s) "
        "ORDER BY last_at DESC, agent, conversation LIMIT %(last)s",
        {"agent": agent, "outcome": outcome, "last": last},
        tenant,
    )
    names = ("tenant", "domain", "agent", "conversation", "asker", "steps", "calls", "status", "error_code", "last_at")
    lines(rows, names, json, "no agent was told anything")


@app.command("show")
def show_conversation(
    agent: Name,
    conversation: Annotated[str, typer.Argument(help="Its conversation.")],
    domain: Annotated[str | None, typer.Option(help="Its domain, where several have such a conversation.")] = None,
    tenant: Tenant = None,
    json: JsonOption = False,
) -> None:
    """What an agent heard, decided and said in a conversation, in order."""
    rows = query(
        "SELECT tenant, domain, at, kind, step, who, what, plan_id, content FROM conversation_story "
        "WHERE agent = %(agent)s AND conversation = %(conversation)s AND (%(domain)s::text IS NULL OR domain = %(domain)s) "
        "ORDER BY hlc, place",
        {"agent": agent, "conversation": conversation, "domain": domain},
        tenant,
    )
    if not rows:
        raise ConfigurationError(f"agent {agent} has no conversation {conversation!r}; see `motet agents list`")
    owners = sorted({(row["tenant"], row["domain"]) for row in rows})
    if len(owners) > 1:
        named = ", ".join(f"--tenant {one} --domain {other}" for one, other in owners)
        raise ConfigurationError(f"agent {agent} has several conversations {conversation!r}: give one of {named}")
    if json:
        show(rows)
        return
    told = [[str(row["step"] or ""), row["kind"], row["who"] or "", detail(row)] for row in rows]
    table(["step", "", "who", "what"], [[escape(one) for one in row] for row in told])


def detail(row: dict[str, Any]) -> str:
    """What a line of a story says."""
    parts = (row["what"], row["plan_id"], None if row["content"] is None else shown(row["content"]))
    return " ".join(str(one) for one in parts if one is not None)


def said(content: str) -> Any:
    """What somebody typed: JSON, or the text as it is."""
    try:
        return jsonlib.loads(content)
    except ValueError:
        return content


def shown(value: Any) -> str:
    """A JSON value for people: a text as it is."""
    return value if isinstance(value, str) else jsonlib.dumps(value, ensure_ascii=False)


def fields(answer: Answer) -> dict[str, Any]:
    """An answer for programs."""
    return {
        "conversation": answer.conversation,
        "said": list(answer.said),
        "outcome": answer.outcome,
        "result": answer.result,
        "error": answer.error,
    }
