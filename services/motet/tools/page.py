"""A contract as a page for readers, in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from motet.tools.contract import LATER, Contract
from motet.tools.narrowing import resolved, values_of

MEANING: Final = {
    "PURE": "may run again at will; the recorded result counts",
    "TRANSACTIONAL": "runs inside the hop's own transaction: exactly once",
    "IDEMPOTENT": "runs again after a crash, with the same key",
    "RECONCILABLE": "is asked after a crash whether it happened",
    "IRREVERSIBLE": "is in doubt after a crash until a person settles it; never run again by itself",
}
MICROS: Final = 1_000_000


def page(contract: Contract) -> str:
    """The page of one tool."""
    parts = [f"# {contract.name}, version {contract.version}", contract.description or "Nobody described it."]
    parts.append(f"**Effect**: {contract.effect.lower()}: {MEANING.get(contract.effect, 'of a later version')}.")
    if contract.claims:
        uses = "; ".join(f"{one.mode.lower()}s `{one.template}`" for one in contract.claims)
        parts.append(f"**Resources**: {uses}.")
    parts.append("\n".join(f"- {line}" for line in terms(contract)))
    for heading, text in (("Arguments", contract.arguments_schema), ("Result", contract.result_schema)):
        schema = json.loads(text)
        rows = list(members(schema))
        parts.append(f"## {heading}")
        parts.append(table(rows) if rows else f"{kind(schema, schema)}.")
    return "\n\n".join(parts) + "\n"


def terms(contract: Contract) -> Iterator[str]:
    """Limits and what else was said, in sentences; what was left as it is by default, too, where it limits something."""
    yield f"one attempt takes {contract.timeout_seconds:g} s at most; a call is tried {contract.attempts} times at most"
    if contract.approval:
        yield f"a person must approve each call, within {contract.approval_seconds:g} s"
    if contract.compensation is not None:
        yield f"undone by `{contract.compensation.tool}`"
    if contract.cost_micros:
        yield f"costs {contract.cost_micros / MICROS:g} at most"
    if contract.tokens:
        yield f"takes {contract.tokens} tokens at most"
    if contract.leases:
        yield f"needs the leases {', '.join(f'`{one}`' for one in contract.leases)} for up to {contract.lease_seconds:g} s"
    for name in ("heartbeat_seconds", "deadline_seconds", "at_once", "breaker_failures"):
        if getattr(contract, name) != LATER[name]:
            yield f"{name.replace('_', ' ')}: {getattr(contract, name):g}"
    yield f"a result is kept for {contract.window_seconds:g} s, for repeats of its key"
    yield f"SHA-256 of the contract: `{contract.sha256}`"


def members(schema: Any) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and description of an object's members."""
    if not isinstance(schema, Mapping):
        return
    for name, one in schema.get("properties", {}).items():
        said = resolved(one, schema)
        given = said if isinstance(said, Mapping) else {}
        needed = "required" if name in schema.get("required", ()) else json.dumps(given.get("default"))
        yield f"`{name}`", kind(one, schema), needed, str(given.get("description", ""))


def kind(schema: Any, root: Any) -> str:
    """A type in words."""
    schema = resolved(schema, root)
    if not isinstance(schema, Mapping):
        return "anything"
    choices = schema.get("anyOf", schema.get("oneOf"))
    if choices:
        return " or ".join(dict.fromkeys(kind(one, root) for one in choices))
    values = values_of(schema)
    if values is not None:
        return f"one of {', '.join(map(json.dumps, values))}" if len(values) > 1 else json.dumps(values[0])
    named = schema.get("type", "anything")
    said = " or ".join(named) if isinstance(named, list) else str(named)
    inner = schema.get("items") if said == "array" else schema.get("additionalProperties") if said == "object" else None
    if isinstance(inner, Mapping):
        said = f"{said} of {kind(inner, root)}"
    bounds = [f"{name} {schema[name]}" for name in ("format", "minimum", "maximum", "maxLength") if name in schema]
    return f"{said} ({', '.join(bounds)})" if bounds else said


def table(rows: list[tuple[str, str, str, str]]) -> str:
    """Rows as a Markdown table; a bar in a cell would end it."""
    lines = ["| name | type | if left out | |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
