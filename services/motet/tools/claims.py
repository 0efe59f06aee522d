"""The resources that a call uses, as templates such as `account:{source}` that the coordinator fills from the arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from motet.chassis.errors import ConfigurationError
from motet.chassis.json_types import kinds_of
from motet.records import ClaimMode, ClaimTemplate, SlotTemplate
from motet.tools.declaration import MAXIMUM_INT, Declaration

# Every call has these, whatever its arguments.
BUILT_IN = ("tenant", "domain", "tool")
MAXIMUM_TEMPLATE_CHARACTERS = 200
MAXIMUM_CLAIMS = 64
# Each of these has one text only, so that equal values always mean the same resource.
NAMEABLE = frozenset({"string", "integer", "boolean"})

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def claims(declaration: Declaration, arguments_schema: Mapping[str, Any]) -> tuple[ClaimTemplate, ...]:
    """The declared resources, sorted, so that the order of writing them is no part of the contract."""
    where = declaration.where
    modes: dict[str, ClaimMode] = {}
    declared: tuple[tuple[str, ClaimMode, Sequence[str] | str], ...] = (
        ("reads", "READ", declaration.reads),
        ("writes", "WRITE", declaration.writes),
        ("commutes", "COMMUTE", declaration.commutes),
    )
    for option, mode, templates in declared:
        # One name alone is what a lone string means; a tuple of its letters is never what was meant.
        for template in (templates,) if isinstance(templates, str) else templates:
            _check_template(f"{where}: {option}", template, arguments_schema)
            if template in modes:
                raise ConfigurationError(
                    f"{where}: the resource {template!r} is declared twice, as {modes[template]} and as {mode}; "
                    "declare it once (a write may read as well)"
                )
            modes[template] = mode
    if len(modes) > MAXIMUM_CLAIMS:
        raise ConfigurationError(f"{where}: {len(modes)} resources are declared; the limit is {MAXIMUM_CLAIMS} a tool")
    return tuple(
        ClaimTemplate(template, modes[template], declaration.operation if modes[template] == "COMMUTE" else "")
        for template in sorted(modes)
    )


def slots(declaration: Declaration, arguments_schema: Mapping[str, Any]) -> tuple[SlotTemplate, ...]:
    """The names by which calls in flight are counted, sorted."""
    where = f"{declaration.where}: at_once_per"
    if len(declaration.at_once_per) > MAXIMUM_CLAIMS:
        raise ConfigurationError(
            f"{where} has {len(declaration.at_once_per)} names; the limit is {MAXIMUM_CLAIMS} a tool"
        )
    for template, at_once in declaration.at_once_per.items():
        _check_template(where, template, arguments_schema)
        declaration.whole(f"at_once_per[{template!r}]", at_once, 1, MAXIMUM_INT)
    return tuple(SlotTemplate(*one) for one in sorted(declaration.at_once_per.items()))


def leases(declaration: Declaration, arguments_schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The leases, sorted; each is a scope, a slash, and a resource that may be a template."""
    where, declared = f"{declaration.where}: leases", declaration.leases
    templates = (declared,) if isinstance(declared, str) else tuple(declared)
    if len(set(templates)) > MAXIMUM_CLAIMS:
        raise ConfigurationError(f"{where} has {len(set(templates))} names; the limit is {MAXIMUM_CLAIMS} a tool")
    for template in templates:
        _check_template(where, template, arguments_schema)
        scope, slash, resource = template.partition("/")
        if not (scope and slash and resource) or "{" in scope:
            raise ConfigurationError(
                f"{where}: {template!r} is no scope/resource such as 'shared/printer:{{name}}'; a scope is written out"
            )
        if "*" in template:
            raise ConfigurationError(f"{where}: {template!r} has a star, and leases have no wholes: name each resource")
    return tuple(sorted(set(templates)))


def placeholders(template: str) -> list[str]:
    """The names in braces, in order."""
    return _PLACEHOLDER.findall(template)


def _check_template(where: str, template: object, arguments_schema: Mapping[str, Any]) -> None:
    if not isinstance(template, str) or not template:
        raise ConfigurationError(f"{where} has {template!r}, which is no resource name such as 'account:{{source}}'")
    if len(template) > MAXIMUM_TEMPLATE_CHARACTERS:
        raise ConfigurationError(
            f"{where}: the resource template {template[:40]!r}… has {len(template)} characters; "
            f"the limit is {MAXIMUM_TEMPLATE_CHARACTERS}"
        )
    if not template.isprintable():
        raise ConfigurationError(f"{where}: the resource template {template!r} has characters that do not print")
    if re.search(r"[{}]", _PLACEHOLDER.sub("", template)):
        raise ConfigurationError(
            f"{where}: the braces in {template!r} do not match; an argument is written {{argument}}"
        )
    literal = _PLACEHOLDER.sub("", template)
    if "*" in literal and not (template == "*" or (template.endswith(":*") and literal.count("*") == 1)):
        raise ConfigurationError(
            f"{where}: {template!r} has a star where it means nothing: 'account:*' is the whole of account:, '*' the whole domain"
        )
    for name in placeholders(template):
        _check_placeholder(where, template, name, arguments_schema)


def _check_placeholder(where: str, template: str, name: str, arguments_schema: Mapping[str, Any]) -> None:
    properties: Mapping[str, Any] = arguments_schema.get("properties", {})
    if name in BUILT_IN:
        if name in properties:
            raise ConfigurationError(
                f"{where}: {{{name}}} in {template!r} could be the call's {name} or the argument of that name; "
                "rename the argument"
            )
        return
    if name not in properties:
        there_are = ", ".join(properties) or "none"
        raise ConfigurationError(
            f"{where}: the placeholder {{{name}}} in {template!r} names no argument; the arguments are: {there_are} "
            f"(and every call has {', '.join(BUILT_IN)})"
        )
    if name not in arguments_schema.get("required", ()) and not _has_default(properties[name]):
        raise ConfigurationError(
            f"{where}: the argument {name!r} in {template!r} may be absent and its schema has no default, so that the resource "
            "would have no name; make it required or give it a default that JSON can carry"
        )
    kinds = set(kinds_of(properties[name], arguments_schema.get("$defs", {})))
    if not kinds <= NAMEABLE:
        raise ConfigurationError(
            f"{where}: the argument {name!r} in {template!r} can be {', '.join(sorted(kinds - NAMEABLE))}; "
            f"only {', '.join(sorted(NAMEABLE))} name a resource"
        )


def _has_default(schema: object) -> bool:
    return isinstance(schema, Mapping) and "default" in schema
