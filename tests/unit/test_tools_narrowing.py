"""A schema that is said to take all that another takes does: a law over generated schemas; and each way of taking less is named."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.tools.narrowing import narrowing

NAMES = ("a", "b", "title")
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from(["", "x", "xyz", "a"]) | st.just(1.5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from((*NAMES, "z")), inner, max_size=3),
    max_leaves=6,
)
PLAIN = st.one_of(
    st.just({}),
    st.booleans(),
    st.sampled_from(["null", "boolean", "string", "number"]).map(lambda kind: {"type": kind}),
    st.builds(
        lambda low, high: {"type": "integer", "minimum": low, "maximum": high}, st.integers(-3, 3), st.integers(3, 9)
    ),
    st.builds(lambda most: {"type": "string", "maxLength": most}, st.integers(0, 3)),
    st.lists(st.sampled_from([None, 1, "x", "xyz", True]), min_size=1, max_size=3, unique_by=repr).map(
        lambda values: {"enum": values}
    ),
    st.just({"$ref": "#/$defs/shared"}),
    st.just({"type": ["string", "null"]}),
    st.just({"minLength": 2}),
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with members of their own."""
    return st.builds(
        lambda members, needed, others: {
            "type": "object",
            "properties": members,
            "required": [name for name in needed if name in members],
            **({} if others is None else {"additionalProperties": others}),
        },
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        st.lists(st.sampled_from(NAMES), unique=True, max_size=2),
        st.none() | inner,
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        objects(inner),
        inner.map(lambda items: {"type": "array", "items": items}),
        st.lists(inner, min_size=1, max_size=3).map(lambda choices: {"anyOf": choices}),
    ),
    max_leaves=5,
)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A schema with what it may refer to."""
    schema = draw(SCHEMAS)
    shared = draw(PLAIN.filter(lambda one: not isinstance(one, dict) or "$ref" not in one))
    return schema if isinstance(schema, bool) else {**schema, "$defs": {"shared": shared}}


def changed(draw: st.DrawFn, schema: Any) -> Any:
    """A schema with one of its parts changed, or replaced."""
    if not isinstance(schema, dict) or draw(st.integers(0, 4)) == 0:
        return draw(PLAIN)
    out = dict(schema)
    if "required" in out and draw(st.booleans()):
        part = draw(st.sampled_from(["required", "additionalProperties"]))
        out[part] = draw(st.just(list(out["properties"])) if part == "required" else PLAIN)
    elif out.get("properties"):
        name = draw(st.sampled_from(sorted(out["properties"])))
        out["properties"] = {**out["properties"], name: changed(draw, out["properties"][name])}
    elif "items" in out:
        out["items"] = changed(draw, out["items"])
    elif "anyOf" in out:
        place = draw(st.integers(0, len(out["anyOf"]) - 1))
        out["anyOf"] = [changed(draw, one) if at == place else one for at, one in enumerate(out["anyOf"])]
    else:
        for name in ("minimum", "maxLength", "maximum"):
            if name in out:
                out[name] += draw(st.integers(-2, 2))
    return out


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two schemas, of which one was made of the other."""
    old = draw(documents())
    return changed(draw, old), old


def taken(draw: st.DrawFn, schema: Any, root: Any) -> Any:
    """A value that a schema might just take: at its bounds, one of its alternatives, without what may be left out."""
    if not isinstance(schema, dict):
        return draw(VALUES)
    if "$ref" in schema:
        return taken(draw, root["$defs"]["shared"], {"$defs": {"shared": {}}})
    if "anyOf" in schema:
        return taken(draw, draw(st.sampled_from(schema["anyOf"])), root)
    if schema.get("type") == "object":
        names = sorted({*schema["properties"], *draw(st.lists(st.sampled_from((*NAMES, "z")), max_size=2))})
        kept = [one for one in names if one in schema["required"] or draw(st.booleans())]
        others = schema.get("additionalProperties", True)
        return {one: taken(draw, schema["properties"].get(one, others), root) for one in kept}
    if schema.get("type") == "array":
        return [taken(draw, schema["items"], root) for _ in range(draw(st.integers(0, 2)))]
    return draw(st.sampled_from(nearest(schema)) if nearest(schema) else VALUES)


def nearest(schema: dict[str, Any]) -> list[Any]:
    """Values at a plain schema's bounds."""
    match schema:
        case {"enum": values}:
            return list(values)
        case {"type": "integer", "minimum": low, "maximum": high}:
            return [low, high]
        case {"type": "string"} | {"type": ["string", "null"]}:
            return ["", "x" * schema.get("maxLength", 3)]
        case {"type": "null"}:
            return [None]
    return []


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_the_old_one_takes_the_new_one_takes_unless_it_is_named(data: st.DataObject) -> None:
    """No fault means: nothing that was valid is refused."""
    new, old = data.draw(pairs())
    try:
        now, then = (jsonschema_rs.Draft202012Validator(one) for one in (new, old))
    except ValueError:
        # A bound that was moved below nothing, or a reference without what it refers to, is no schema.
        return
    values = [data.draw(st.composite(taken)(old, old)) for _ in range(4)]
    refused = [value for value in values if then.is_valid(value) and not now.is_valid(value)]
    assert not refused or narrowing(new, old), refused


@settings(max_examples=150, deadline=None)
@given(documents())
def test_every_schema_takes_what_it_takes(schema: Any) -> None:
    """Nothing is said against a schema that did not change."""
    assert narrowing(schema, schema) == []


def of(**members: Any) -> dict[str, Any]:
    """An object as type hints make it: closed, all members required."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("new", "old", "said"),
    [
        (of(a=TEXT, b=TEXT), of(a=TEXT), "/b is required and is new"),
        (of(), of(a=TEXT), "/a is gone"),
        (of(a={"type": "integer"}), of(a={"type": "number"}), "/a takes integer and not number any more"),
        (of(a=TEXT), of(a={"anyOf": [TEXT, {"type": "null"}]}), "/a takes string and not null any more"),
        (of(a={**TEXT, "maxLength": 5}), of(a={**TEXT, "maxLength": 9}), "/a: maxLength is 5 and was 9"),
        (of(a={**TEXT, "minLength": 5}), of(a=TEXT), "/a: minLength is 5 and was not said before"),
        (of(a={"enum": ["x"]}), of(a={"enum": ["x", "y"]}), '/a takes "y" no more'),
        (of(a={**TEXT, "format": "date"}), of(a=TEXT), '/a: format is "date" and was not said before'),
        (of(a={"type": "array", "items": TEXT}), of(a={"type": "array"}), "/a/* takes string and not null"),
        (
            of(a=TEXT),
            of(a={**TEXT, "x-motet-personal": "c:{a}"}),
            '/a: x-motet-personal is gone and was "c:{a}"',
        ),
        (False, of(a=TEXT), "the whole value takes nothing any more"),
        (
            {"additionalProperties": False},
            {"patternProperties": {"^x": {}}, "additionalProperties": False},
            "the whole value: patternProperties is gone",
        ),
        ({"items": TEXT}, {"prefixItems": [TEXT], "items": TEXT}, "the whole value: prefixItems is gone"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, {"type": "integer"}, "the whole value: oneOf has"),
        ({"enum": ["x"], "maxLength": 0}, {"enum": ["x"]}, "the whole value says maxLength"),
        ({"enum": ["x"]}, {"enum": ["x"], "x-motet-personal": "c"}, "the whole value: x-motet-personal is gone"),
        ({"$ref": "other"}, TEXT, "the whole value: $ref is"),
        (
            {"$ref": "#/$defs/t", "minimum": 5, "$defs": {"t": {"minimum": 10}}},
            {"minimum": 5},
            "the whole value: allOf is",
        ),
        ({"exclusiveMinimum": 5}, {"minimum": 5}, "the whole value: exclusiveMinimum is 5 and was 5"),
    ],
)
def test_each_way_of_taking_less_is_named_with_its_place(new: Any, old: Any, said: str) -> None:
    """A sentence with a JSON pointer, the new and the old."""
    found = narrowing(new, old)
    assert len(found) == 1
    assert found[0].startswith(said), found


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ({**of(a=TEXT, b=TEXT), "required": ["a"]}, of(a=TEXT)),
        (of(a={"type": "number"}), of(a={"type": "integer"})),
        (of(a={"anyOf": [TEXT, {"type": "null"}]}), of(a=TEXT)),
        (of(a={"enum": ["x", "y"]}), of(a={"const": "y"})),
        (of(a={**TEXT, "description": "new words"}), of(a={**TEXT, "title": "old"})),
        ({**of(a={"$ref": "#/$defs/t"}), "$defs": {"t": TEXT}}, of(a=TEXT)),
        ({"minimum": 5}, {"exclusiveMinimum": 5}),
        ({"oneOf": [TEXT, {"type": "null"}]}, TEXT),
        (
            {"oneOf": [of(k={"const": "a"}), of(k={"const": "b"})], "discriminator": {"propertyName": "k"}},
            {"oneOf": [of(k={"const": "a"})], "discriminator": {}},
        ),
    ],
)
def test_taking_more_is_no_fault(new: Any, old: Any) -> None:
    """New optional members, wider types, more values, other words, and the same by reference."""
    assert narrowing(new, old) == []


def test_a_schema_that_refers_to_itself_ends() -> None:
    """A tree of itself is compared once."""
    tree = {
        **of(value=TEXT, children={"type": "array", "items": {"$ref": "#"}}),
    }
    wider = {**of(value={"type": ["string", "null"]}, children={"type": "array", "items": {"$ref": "#"}})}
    assert narrowing(wider, tree) == []
    assert narrowing(tree, wider)
