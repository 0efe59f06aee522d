"""Agents in the SQL surface: their conversations, and what happened in each."""

from __future__ import annotations

from typing import Final

from motet.projector.definition import DOMAIN, TENANT, Table, View, columns

AGENT: Final = ("agent", "text NOT NULL", "The agent.")
CONVERSATION: Final = ("conversation", "text NOT NULL", "The conversation, unique within tenant, domain and agent.")

CONVERSATIONS: Final = Table(
    "conversations",
    "Every conversation of every agent, as its last step left it.",
    columns(
        TENANT,
        DOMAIN,
        AGENT,
        CONVERSATION,
        ("asker", "text", "Who began it."),
        ("started_at", "timestamptz", "When its first message was taken."),
        ("last_at", "timestamptz NOT NULL", "When it heard something last."),
        ("steps", "integer", "How often the agent decided."),
        ("outcome", "text", "GOES_ON, DONE, FAILED or LIMIT_REACHED."),
        ("result", "json", "What came of it. Null unless it is done."),
        ("error_code", "text", "Why it ended otherwise, in a word. Null if it did not."),
        ("error_message", "text", "The same in a sentence."),
        ("calls", "bigint", "Calls of its plans."),
        ("cost_micros", "bigint", "What its plans that ended cost, in millionths. Null without a limit."),
        ("tokens", "bigint", "Tokens that they took. Null without a limit."),
        ("state_sha256", "text", "Digest of its state; equal for equal inputs."),
        ("code_version", "text", "The code that decided last."),
        ("event_id", "text NOT NULL", "The last event about it."),
    ),
    ("tenant", "domain", "agent", "conversation"),
    ("agent, last_at",),
)

CONVERSATION_EVENTS: Final = Table(
    "conversation_events",
    "What agents heard, asked for and said: one row each.",
    columns(
        ("event_id", "text NOT NULL", "The event that says it."),
        ("place", "integer NOT NULL", "Its place within the event."),
        TENANT,
        DOMAIN,
        AGENT,
        CONVERSATION,
        ("kind", "text NOT NULL", "HEARD, REFUSED, REPEATED; PLAN, SAID, ENDED."),
        ("step", "integer", "The step in which the agent decided it. Null for what it heard."),
        ("who", "text", "Who said it, or to whom it was said."),
        ("what", "text", "A plan's label, the end's name, or why it was refused."),
        ("plan_id", "text", "The plan that was asked for."),
        ("content", "json", "What was said, or what came of it."),
        ("cause", "text NOT NULL", "What led to it: an event, or the place of a message."),
        ("hlc", "bigint NOT NULL", "Hybrid logical clock: milliseconds since 1970 times 65,536, and a counter."),
        ("at", "timestamptz NOT NULL", "When Kafka had its cause."),
    ),
    ("event_id", "place"),
    ("tenant, domain, agent, conversation", "plan_id) WHERE (plan_id IS NOT NULL"),
)

AGENTS: Final = View(
    "agents",
    "Agents by tenant: how many conversations they have, and how these stand.",
    """SELECT tenant, agent, count(*) AS conversations, count(*) FILTER (WHERE outcome = 'GOES_ON') AS open,
count(*) FILTER (WHERE outcome = 'DONE') AS done, count(*) FILTER (WHERE outcome = 'FAILED') AS failed,
count(*) FILTER (WHERE outcome = 'LIMIT_REACHED') AS limited, sum(steps)::bigint AS steps, sum(calls)::bigint AS calls, max(last_at) AS last_at
FROM {schema}.conversations GROUP BY tenant, agent""",
    {
        "tenant": "Whose conversations they are.",
        "agent": "The agent.",
        "conversations": "How many there are.",
        "open": "How many go on.",
        "done": "How many are done.",
        "failed": "How many failed.",
        "limited": "How many reached a limit.",
        "steps": "Decisions in all.",
        "calls": "Calls in all.",
        "last_at": "When the agent heard something last.",
    },
)

CONVERSATION_STORY: Final = View(
    "conversation_story",
    "Conversations as they went: what was heard, asked for and said, and how each plan ended.",
    """SELECT tenant, domain, agent, conversation, hlc, place, at, kind, step, who, what, plan_id, content FROM {schema}.conversation_events
UNION ALL SELECT e.tenant, e.domain, e.agent, e.conversation, l.hlc, 0, l.recorded_at, 'PLAN_' || p.status, e.step, NULL, e.what, e.plan_id, NULL
FROM {schema}.conversation_events AS e JOIN {schema}.plans AS p USING (plan_id) JOIN {schema}.lineage AS l ON l.plan_id = e.plan_id
WHERE e.kind = 'PLAN' AND l.type IN ('PlanEnded', 'PlanRejected')""",
    {
        "tenant": "Whose it is.",
        "domain": "The unit of total order within the tenant.",
        "agent": "The agent.",
        "conversation": "The conversation.",
        "hlc": "Orders the story, with `place`.",
        "place": "The place within one event.",
        "at": "When it was.",
        "kind": "HEARD, REFUSED, REPEATED; PLAN, SAID, ENDED; PLAN_ and the status of a plan that ended.",
        "step": "The step in which the agent decided it.",
        "who": "Who said it, or to whom it was said.",
        "what": "A plan's label, the end's name, or why a message was refused.",
        "plan_id": "The plan.",
        "content": "What was said, or what came of it.",
    },
)
