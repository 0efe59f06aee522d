"""References to earlier results within arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.plan.arguments import BadArguments, Reference, deeper, parse, references, resolve

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def to(call: str, pointer: str | None = None) -> dict[str, Any]:
    """A reference as a client writes it."""
    return {"$result": {"call": call} if pointer is None else {"call": call, "pointer": pointer}}


def taken(pointer: str | None, result: Any) -> Any:
    """What a reference stands for."""
    return resolve(to("c0", pointer), {"c0": result}.__getitem__)


def fault(value: Any, result: Any = None) -> str:
    """The message with which a reference is refused."""
    with pytest.raises(BadArguments) as caught:
        resolve(value, {"c0": result}.__getitem__)
    assert caught.value.code == "BAD_REFERENCE"
    return str(caught.value)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        *(
            (None, {"a": [1, {"b": None}], "": 2, "x/y": 3, "m~n": 4, "0": 5, "~1": 6}),
            ("/a", [1, {"b": None}]),
            ("/a/0", 1),
        ),
        *(("/a/1/b", None), ("/", 2), ("/x~1y", 3), ("/m~0n", 4), ("/0", 5), ("/~01", 6)),
    ],
)
def test_a_pointer_leads_where_rfc_6901_says(pointer: str | None, value: Any) -> None:
    """The whole result without one; names, indexes and the two escapes."""
    assert taken(pointer, {"a": [1, {"b": None}], "": 2, "x/y": 3, "m~n": 4, "0": 5, "~1": 6}) == value


@pytest.mark.parametrize(
    "pointer", ["/b", "/a/2", "/a/-1", "/a/-", "/a/00", "/a/01", "/a/²", "/a/1e0", "/a/0/x", "/a/9999999999"]
)
def test_a_pointer_that_leads_nowhere_is_refused(pointer: str) -> None:
    """The message names the call and the pointer."""
    assert fault(to("c0", pointer), {"a": [1, 2]}) == f"the result of c0 has nothing at {pointer!r}"


@pytest.mark.parametrize(
    "value",
    [
        *({"$result": 3}, {"$result": None}, {"$result": {}}, {"$result": {"call": 1}}, {**to("c0"), "more": 1}),
        *({"$result": {"call": "c0", "pointer": 1}}, {"$result": {"call": "c0", "else": ""}}, to("c0", "a")),
    ],
)
def test_a_malformed_reference_is_refused(value: Any) -> None:
    """And never taken for data, wherever it stands; finding references and filling them in agree."""
    fault(value)
    fault({"a": [value]})
    with pytest.raises(BadArguments):
        list(references({"a": [value]}))


def test_references_are_found_in_order() -> None:
    """Everywhere in the arguments."""
    value = {"b": [to("c1", "/x"), {"c": to("c0")}], "a": to("c1"), "d": "$result"}
    assert list(references(value)) == [Reference("c1", "/x"), Reference("c0", ""), Reference("c1", "")]


@given(JSON)
def test_what_a_result_holds_is_data(result: Any) -> None:
    """Filled in as it is, even if it looks like a reference."""
    assert taken(None, result) == result
    assert taken(None, to("c9")) == to("c9")
    assert resolve({"a": [to("c0")], "b": 1}, {"c0": result}.__getitem__) == {"a": [result], "b": 1}


@given(JSON, st.data())
def test_every_place_of_a_result_has_a_pointer(result: Any, data: st.DataObject) -> None:
    """Escaping a path and following it arrives where the path leads."""
    pointer, value = "", result
    while isinstance(value, (dict, list)) and value and data.draw(st.booleans()):
        if isinstance(value, dict):
            name = data.draw(st.sampled_from(sorted(value)))
            pointer, value = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", value[name]
        else:
            index = data.draw(st.integers(0, len(value) - 1))
            pointer, value = f"{pointer}/{index}", value[index]
    assert taken(pointer, result) == value


@given(JSON)
def test_what_is_json_is_read_as_it_is(value: Any) -> None:
    """Parsing adds and loses nothing."""
    assert parse(json.dumps({"a": value}), 64) == {"a": value}


@given(st.text() | st.text(alphabet='{}[]",:0123456789.eE-+truefalsn\\u '))
def test_any_text_is_an_object_or_bad_arguments(text: str) -> None:
    """Nothing else is ever raised."""
    code = "ARGUMENTS_NOT_JSON"
    try:
        parse(text, 64)
    except BadArguments as error:
        code = error.code
    assert code == "ARGUMENTS_NOT_JSON"


def test_a_repeated_name_is_found_quickly() -> None:
    """50,000 names with the last one twice: a client must not be able to stop the shard with one command."""
    names = ",".join(f'"{n}":1' for n in range(30_000))
    with pytest.raises(BadArguments, match="the name 'z' stands twice"):
        parse('{"z":1,' + names + ',"z":1}', 64)


@pytest.mark.parametrize(("depth", "answer"), [(1, False), (2, False), (3, False), (4, True), (5_000, True)])
def test_depth_is_counted_without_a_stack(depth: int, answer: bool) -> None:
    """A list in a list in a list is three levels."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if depth % 2 else {"a": value}
    assert deeper(value, 3) is answer
