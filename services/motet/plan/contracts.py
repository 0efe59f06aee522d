"""Contracts as admission needs them: compiled schemas and parsed resource templates, every version."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import jsonschema_rs

from motet.chassis.canonical import canonical_json
from motet.personal.text import HIDDEN, MARK
from motet.plan.arguments import REFERENCE, refers
from motet.plan.limits import Limits
from motet.plan.spending import Vector
from motet.plan.text import unprintable
from motet.plan.waits import MILLISECONDS, deadline_ms
from motet.records import Claim, ClaimMode, ToolContract
from motet.resources import merged, whole_before
from motet.resources.names import WHOLE

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


class UnknownResource(ValueError):
    """A template needs an argument that is not there."""


@dataclass(frozen=True, slots=True)
class Template:
    """A resource template in pieces: literal text at even places, argument names at odd ones."""

    pieces: tuple[str, ...]
    mode: ClaimMode
    text: str
    operation: str
    tool: str

    def unknown(self, arguments: dict[str, Any]) -> bool:
        """Whether the name follows from another call's result."""
        return REFERENCE in arguments or any(refers(arguments.get(name)) for name in self.pieces[1::2])

    def fill(self, arguments: dict[str, Any], defaults: dict[str, Any], tenant: str, domain: str) -> str:
        """The resource's name; of one that follows from another call's result the whole of what it may be. Raises UnknownResource."""
        if self.text == "{domain}":
            # The domain by itself is everything in it.
            return WHOLE
        out = []
        for place, piece in enumerate(self.pieces):
            if place % 2 == 0:
                out.append(piece)
            # What every call has comes first: no argument may pretend to be another tenant.
            elif piece == "tenant":
                out.append(tenant)
            elif piece == "domain":
                out.append(domain)
            elif REFERENCE in arguments or refers(arguments.get(piece)):
                return whole_before("".join(out))
            elif piece in arguments:
                out.append(self.name_of(arguments[piece]))
            elif piece in defaults:
                out.append(self.name_of(defaults[piece]))
            elif piece == "tool":
                out.append(self.tool)
            else:
                raise UnknownResource(f"resource {self.text} needs the argument {piece!r}, which is not given")
        return "".join(out)

    def name_of(self, value: Any) -> str:
        """An argument as a part of a name."""
        if isinstance(value, str):
            # A value never makes a name the whole of something.
            return value.replace(WHOLE, "%2A")
        # 1.0 and 1 are one number, so they name one resource.
        return canonical_json(value)


def refuse(uri: str) -> NoReturn:
    """A decision waits for no network and depends on nothing that is not in the log."""
    raise ValueError(f"the schema refers to {uri}, and a contract says everything itself")


def plain(text: str, record: ToolContract) -> Template:
    """A template of a name that is no claim."""
    return Template(tuple(PLACEHOLDER.split(text)), "UNKNOWN", text, "", record.name)


class Contract:
    """One version of a tool."""

    def __init__(self, record: ToolContract) -> None:
        self.record = record
        schema = json.loads(record.arguments_schema)
        # Where something is personal and not sealed, the reason for refusing it must not repeat it.
        hidden = HIDDEN if MARK in record.arguments_schema else None
        self.validator = jsonschema_rs.validator_for(schema, retriever=refuse, mask=hidden)
        properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
        # A property's schema may be `true`.
        self.defaults = {
            name: one["default"] for name, one in properties.items() if isinstance(one, dict) and "default" in one
        }
        self.toolset = record.toolset
        self.deadline_ms = deadline_ms(record)
        self.estimate: Vector = (1, record.cost_micros, record.tokens, int(record.timeout_seconds * MILLISECONDS))
        self.templates = tuple(
            Template(
                *(tuple(PLACEHOLDER.split(claim.template)), claim.mode, claim.template, claim.operation, record.name)
            )
            for claim in record.claims
        )
        self.slot_templates = tuple((plain(one.template, record), one.at_once) for one in record.at_once_per)
        self.lease_templates = tuple(plain(text, record) for text in record.leases)

    def faults(self, arguments: dict[str, Any]) -> Iterator[str]:
        """What the arguments schema says against arguments, each with its place."""
        if self.validator.is_valid(arguments):
            return
        for error in self.validator.iter_errors(arguments):
            place = "/".join(str(part) for part in error.instance_path)
            yield f"at /{place}: {error.message}"

    def result_faults(self, result: Any) -> Iterator[str]:
        """What the result schema says against a result that somebody gives instead of the tool."""
        hidden = HIDDEN if MARK in self.record.result_schema else None
        validator = jsonschema_rs.validator_for(json.loads(self.record.result_schema), retriever=refuse, mask=hidden)
        for error in validator.iter_errors(result):
            place = "/".join(str(part) for part in error.instance_path)
            yield f"at /{place}: {error.message}"

    def claims(self, arguments: dict[str, Any], tenant: str, domain: str) -> tuple[Claim, ...]:
        """The resources of a call. Raises UnknownResource."""
        return merged(
            Claim(template.fill(arguments, self.defaults, tenant, domain), template.mode, template.operation)
            for template in self.templates
        )

    def unknown(self, arguments: dict[str, Any]) -> str:
        """The first resource that follows from another call's result, as its template; empty if all are known."""
        return next((template.text for template in self.templates if template.unknown(arguments)), "")

    def leases(self, arguments: dict[str, Any], tenant: str, domain: str) -> tuple[str, ...]:
        """The leases that a call needs, sorted, each scope/resource. Raises UnknownResource."""
        for template in self.lease_templates:
            if template.unknown(arguments):
                raise UnknownResource(f"the lease {template.text} of {self.record.name} follows from a result")
        return tuple(sorted({one.fill(arguments, self.defaults, tenant, domain) for one in self.lease_templates}))

    def slots(self, arguments: dict[str, Any], tenant: str, domain: str) -> list[tuple[str, int]]:
        """The names that a call's slots have, sorted, each with how many calls may be in flight. Raises UnknownResource."""
        found: dict[str, int] = {}
        for template, at_once in self.slot_templates:
            name = template.fill(arguments, self.defaults, tenant, domain)
            found[name] = min(at_once, found.get(name, at_once))
        return sorted(found.items())


def claim_faults(claims: Sequence[Claim], limits: Limits) -> Iterator[tuple[str, str]]:
    """What is wrong with the resources of a call: code and message."""
    if len(claims) > limits.resources_per_call:
        yield "TOO_LARGE", f"the call uses {len(claims)} resources; the limit is {limits.resources_per_call}"
    for claim in claims:
        shown = f"resource {claim.resource[:50]!r}…"
        if len(claim.resource) > limits.resource_length:
            yield "TOO_LARGE", f"{shown} has {len(claim.resource)} characters; the limit is {limits.resource_length}"
        if unprintable(claim.resource):
            yield "BAD_IDENTIFIER", f"{shown} has control characters, which no table can show: give another"


class Contracts:
    """All tools, every version."""

    def __init__(self) -> None:
        self.versions: dict[str, dict[int, Contract]] = {}

    def add(self, record: ToolContract) -> None:
        """Takes a contract; the first content of a version stays."""
        versions = self.versions.setdefault(record.name, {})
        if record.version not in versions:
            versions[record.version] = Contract(record)
            self.versions[record.name] = dict(sorted(versions.items()))

    def get(self, tool: str, version: int | None) -> Contract | None:
        """A version of a tool, the newest for None."""
        versions = self.versions.get(tool)
        if not versions:
            return None
        return versions.get(next(reversed(versions)) if version is None else version)

    def of(self, tool: str, version: int) -> Contract:
        """A version that is known: it was when a plan was admitted, and stays so."""
        try:
            return self.versions[tool][version]
        except KeyError:
            raise LookupError(f"{tool} version {version} was known when the plan was admitted, and is gone") from None
