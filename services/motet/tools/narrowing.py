"""Where a JSON Schema takes less than another: what keeps a new version of a contract from standing in for the one before.

Whether one schema takes everything that another takes cannot be decided for all of JSON Schema. This is decided by structure, for what type hints
become and people write; what is beyond that counts as taking less unless both say it alike, so that nothing passes by mistake. `format` is taken at
its word, because tools read dates and identifiers by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# What tells people something, and takes and refuses nothing.
TELLING: Final = frozenset(
    {
        *(
            "title",
            "description",
            "default",
            "examples",
            "deprecated",
            "readOnly",
            "writeOnly",
            "$comment",
            "$schema",
            "$id",
        ),
        # Pydantic's word for which member tells the alternatives apart, which each of them says as well.
        "discriminator",
    }
)
DEFINITIONS: Final = ("$defs", "definitions")
# Whose members have names of their own.
NAMED: Final = ("properties", "patternProperties", *DEFINITIONS)
REFERENCE: Final = "$ref"
TYPES: Final = ("null", "boolean", "integer", "number", "string", "array", "object")
# Bounds from below and from above: a new one may only be looser. The first of a pair may be met, the second must be passed.
FLOORS: Final = (("minimum", "exclusiveMinimum"), ("minLength", ""), ("minItems", ""), ("minProperties", ""))
CEILINGS: Final = (("maximum", "exclusiveMaximum"), ("maxLength", ""), ("maxItems", ""), ("maxProperties", ""))
BOUNDS: Final = frozenset(name for pair in (*FLOORS, *CEILINGS) for name in pair if name)
# Without these, what they spoke of falls under something else, which may take less.
BOTH_WAYS: Final = ("patternProperties", "prefixItems", "minContains", "maxContains", "contains")
# Handled one by one below.
SHAPES: Final = frozenset(
    {"type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf", "oneOf", REFERENCE}
)
VALUES: Final = ("enum", "const", "type")
DEEPEST: Final = 40


@dataclass(frozen=True, slots=True)
class Comparing:
    """Two schemas with what they refer to. `new` should take everything that `old` takes."""

    new: Any
    old: Any
    # Pairs that are being compared further up: schemas may refer to themselves.
    open: set[tuple[str, str]] = field(default_factory=set)

    def faults(self) -> Iterator[str]:
        """What `old` takes and `new` does not, each with its place."""
        yield from self.compare(self.new, self.old, "", 0)

    def compare(self, new: Any, old: Any, place: str, depth: int) -> Iterator[str]:
        """The faults of a pair of schemas at a place."""
        new, old = resolved(new, self.new), resolved(old, self.old)
        pair = text(new), text(old)
        if old is False or new is True or new == {} or pair in self.open:
            return
        if pair[0] == pair[1] and self.same_definitions(new, old):
            return
        if depth > DEEPEST:
            yield f"{shown(place)} is nested too deeply to be compared"
            return
        if new is False:
            yield f"{shown(place)} takes nothing any more"
            return
        if old is True:
            old = {}
        self.open.add(pair)
        try:
            yield from self.alternatives(new, old, place, depth)
        finally:
            self.open.discard(pair)

    def same_definitions(self, new: Any, old: Any) -> bool:
        """Whether equal texts mean the same: they do unless they refer to what differs."""
        return REFERENCE not in text([new, old]) or definitions(self.new) == definitions(self.old)

    def alternatives(self, new: Mapping[str, Any], old: Mapping[str, Any], place: str, depth: int) -> Iterator[str]:
        """Every alternative of the old one must be taken by one of the new one."""
        choices, rest = split(new)
        cases, others = split(old)
        if choices and rest and text(rest) != text(others):
            yield f"{shown(place)} says more beside its alternatives than before"
            return
        if "oneOf" in new and not apart(new["oneOf"], self.new):
            yield f"{shown(place)}: oneOf has alternatives that may both take a value, and then takes neither"
            return
        for case in cases or [old]:
            whole = {**others, **resolved_mapping(case, self.old)} if cases else case
            found = [list(self.single(choice, whole, place, depth)) for choice in choices or [new]]
            if not any(not faults for faults in found):
                # Of several alternatives the one that comes nearest says what is wrong.
                yield from min(found, key=len)

    def single(self, new: Any, old: Any, place: str, depth: int) -> Iterator[str]:
        """The faults of two schemas without alternatives."""
        new, old = resolved(new, self.new), resolved(old, self.old)
        if new is True or new == {}:
            return
        if not isinstance(new, Mapping) or not isinstance(old, Mapping) or split(new)[0] or split(old)[0]:
            yield from self.compare(new, old, place, depth + 1)
            return
        values = values_of(old)
        if values is not None:
            yield from refused_values(new, values, place, old)
            return
        if (known := values_of(new)) is not None:
            yield from type_faults(new, old, place)
            yield f"{shown(place)} takes only {', '.join(map(json.dumps, known))}"
            return
        yield from type_faults(new, old, place)
        yield from bound_faults(new, old, place)
        yield from other_faults(new, old, place)
        yield from self.object_faults(new, old, place, depth)
        if "items" in new and takes(old, "array"):
            yield from self.compare(new["items"], old.get("items", True), f"{place}/*", depth + 1)

    def object_faults(self, new: Mapping[str, Any], old: Mapping[str, Any], place: str, depth: int) -> Iterator[str]:
        """Members: none newly required, none refused that was taken, each takes what it took."""
        if not takes(old, "object") or not takes(new, "object"):
            return
        before, now = old.get("properties", {}), new.get("properties", {})
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            what = "was optional" if name in before else "is new"
            yield f"{shown(f'{place}/{name}')} is required and {what}"
        others, were = new.get("additionalProperties", True), old.get("additionalProperties", True)
        for name in before:
            at = f"{place}/{name}"
            if name in now or others is not False:
                yield from self.compare(now.get(name, others), before[name], at, depth + 1)
            else:
                yield f"{shown(at)} is gone"
        for name in (one for one in now if one not in before and were is not False):
            yield from self.compare(now[name], were, f"{place}/{name}", depth + 1)
        if were is not False:
            yield from self.compare(others, were, f"{place}/(any other)", depth + 1)


def narrowing(new: Any, old: Any) -> list[str]:
    """What a schema does not take that another takes, in sentences with JSON pointers; empty if it takes all of it."""
    return list(dict.fromkeys(Comparing(new, old).faults()))


def split(schema: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """A schema's alternatives, if it has any, and what it says beside them."""
    name = next((one for one in ("anyOf", "oneOf") if one in schema), None)
    if name is None:
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return [{**schema, "type": kind} for kind in kinds], {}
        return [], {}
    return list(schema[name]), {key: value for key, value in plain(schema).items() if key != name}


def resolved(schema: Any, root: Any) -> Any:
    """A schema in place of a reference to it within its own document; one that leads nowhere takes nothing."""
    for _ in range(DEEPEST):
        if not isinstance(schema, Mapping) or not str(schema.get(REFERENCE, "")).startswith("#"):
            return schema
        found = root
        for part in str(schema[REFERENCE]).removeprefix("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found.get(name, False) if isinstance(found, Mapping) else False
        beside = {key: value for key, value in plain(schema).items() if key != REFERENCE}
        if beside.keys() & (found.keys() if isinstance(found, Mapping) else set()):
            # Both hold: as a whole that is beyond what is compared here, unless it is said alike.
            return {"allOf": [found, beside]}
        schema = {**found, **beside} if isinstance(found, Mapping) else found
    return False


def resolved_mapping(schema: Any, root: Any) -> Mapping[str, Any]:
    """The same, as a mapping."""
    found = resolved(schema, root)
    return found if isinstance(found, Mapping) else {}


def plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a schema says that takes or refuses something."""
    return {key: value for key, value in schema.items() if key not in TELLING and key not in DEFINITIONS}


def definitions(schema: Any) -> str:
    """What a document has to refer to."""
    return text([schema.get(name) for name in DEFINITIONS] if isinstance(schema, Mapping) else None)


def text(value: Any) -> str:
    """A value as text, without what only tells people something; equal for equal values."""
    return json.dumps(stripped(value), sort_keys=True)


def stripped(value: Any) -> Any:
    """A schema without titles and descriptions, at any depth; names of members stay, whatever they are."""
    if isinstance(value, list):
        return [stripped(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    out = {}
    for key, one in value.items():
        if key in NAMED and isinstance(one, Mapping):
            out[key] = {name: stripped(member) for name, member in one.items()}
        elif key not in TELLING:
            out[key] = stripped(one)
    return out


def values_of(schema: Mapping[str, Any]) -> list[Any] | None:
    """The values that a schema is limited to."""
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def refused_values(new: Mapping[str, Any], values: list[Any], place: str, old: Mapping[str, Any]) -> Iterator[str]:
    """Values that were taken one by one, and are not any more."""
    known = values_of(new)
    for value in values:
        if (known is not None and value not in known) or not takes(new, kind_of(value)):
            yield f"{shown(place)} takes {json.dumps(value)} no more"
    beyond = {name for name, one in plain(new).items() if name not in VALUES and text(old.get(name)) != text(one)}
    if beyond:
        yield f"{shown(place)} says {', '.join(sorted(beyond))}, which listed values are not compared with"
    yield from marks_gone(new, old, place)


def type_faults(new: Mapping[str, Any], old: Mapping[str, Any], place: str) -> Iterator[str]:
    """Types that were taken, and are not any more."""
    gone = [kind for kind in TYPES if takes(old, kind) and not takes(new, kind)]
    if gone:
        have = ", ".join(kind for kind in TYPES if takes(new, kind)) or "nothing"
        yield f"{shown(place)} takes {have} and not {', '.join(gone)} any more"


def takes(schema: Mapping[str, Any], kind: str) -> bool:
    """Whether a schema's types include one."""
    kinds = schema.get("type")
    if kinds is None:
        return True
    listed = kinds if isinstance(kinds, list) else [kinds]
    return kind in listed or (kind == "integer" and "number" in listed)


def kind_of(value: Any) -> str:
    """The narrowest type of a value."""
    if value is None:
        return "null"
    # Booleans first: in Python they are integers.
    known: tuple[tuple[type, str], ...] = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))
    return next(
        (name for kind, name in known if isinstance(value, kind)), "array" if isinstance(value, list) else "object"
    )


def bound_faults(new: Mapping[str, Any], old: Mapping[str, Any], place: str) -> Iterator[str]:
    """Bounds that are tighter than they were."""
    for pairs, sign in ((FLOORS, 1), (CEILINGS, -1)):
        for names in pairs:
            now, then = bound(new, names, sign), bound(old, names, sign)
            if now is not None and (then is None or now > then):
                name = next(one for one in names if one in new)
                yield f"{shown(place)}: {name} is {new[name]} and {before(old, next((one for one in names if one in old), name))}"


def bound(schema: Mapping[str, Any], names: tuple[str, str], sign: int) -> tuple[float, bool] | None:
    """A bound, the tighter the greater: the number, towards the inside, and whether it must be passed. Of two the tighter one holds."""
    found = [(sign * schema[name], name == names[1]) for name in names if name in schema]
    return max(found, default=None)


def other_faults(new: Mapping[str, Any], old: Mapping[str, Any], place: str) -> Iterator[str]:
    """Whatever else is said, which must have been said alike; most of what is said no more takes more."""
    known = {*SHAPES, *BOUNDS} - ({REFERENCE} if REFERENCE in new else set())
    for name, value in plain(new).items():
        if name not in known and (name not in old or text(old[name]) != text(value)):
            yield f"{shown(place)}: {name} is {json.dumps(value)} and {before(old, name)}"
    for name in (one for one in BOTH_WAYS if one in old and one not in new):
        yield f"{shown(place)}: {name} is gone and {before(old, name)}"
    yield from marks_gone(new, old, place)


def marks_gone(new: Mapping[str, Any], old: Mapping[str, Any], place: str) -> Iterator[str]:
    """Marks of ours, such as a personal value's, say how a value travels: without one it would not be understood."""
    for name in (one for one in plain(old) if one.startswith("x-") and one not in new):
        yield f"{shown(place)}: {name} is gone and {before(old, name)}"


def apart(choices: Any, root: Any) -> bool:
    """Whether no value is of two alternatives, by their types or by a member that is another constant in each."""
    kinds = [resolved_mapping(one, root) for one in choices]
    types = [one.get("type") for one in kinds]
    plain_types = all(isinstance(one, str) for one in types) and not {"integer", "number"} <= set(types)
    if plain_types and len(set(types)) == len(types):
        return True
    members = [
        {name: values_of(resolved_mapping(value, root)) for name, value in one.get("properties", {}).items()}
        for one in kinds
    ]
    for name in members[0] if members else ():
        values = [one.get(name) for one in members]
        needed = all(name in one.get("required", ()) for one in kinds)
        if needed and all(found is not None for found in values):
            listed = [json.dumps(value) for found in values for value in found or ()]
            if len(set(listed)) == len(listed):
                return True
    return False


def before(old: Mapping[str, Any], name: str) -> str:
    """What was said before."""
    return f"was {json.dumps(old[name])}" if name in old else "was not said before"


def shown(place: str) -> str:
    """A place for people."""
    return place or "the whole value"
