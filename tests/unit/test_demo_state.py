"""An API object as JSON and back, with the sharing between its parts."""

from __future__ import annotations

import decimal
import json
import math
import random
from typing import Any

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.chassis.canonical import compact
from motet.demo import apis, instance_state


class Box:
    """A class that appears inside a state."""

    def __init__(self, content: Any) -> None:
        self.content = content


WORDS = {"box": Box}


def again(attributes: dict[str, Any]) -> dict[str, Any]:
    """What becomes of attributes that are written as text and read again."""
    return instance_state.decode(json.loads(compact(instance_state.encode(attributes, WORDS))), WORDS)


LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
KEYS = st.text() | st.integers() | st.sampled_from(["$id", "$ref", "$list"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.sets(st.integers() | st.text(), max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_every_value_survives(attributes: dict[str, Any]) -> None:
    """Also keys that are no text, keys that look like our own words, infinities, sets and tuples; dictionaries keep their order."""
    read = again(attributes)
    assert read == attributes
    assert repr(read) == repr(attributes) or sets_within(attributes)


def sets_within(value: Any) -> bool:
    """Whether a set is in a value: its members may be shown in another order."""
    if isinstance(value, dict):
        return any(map(sets_within, value.values()))
    return isinstance(value, set) or (isinstance(value, (list, tuple)) and any(map(sets_within, value)))


def test_sharing_and_cycles_survive() -> None:
    """What was one object is one object again."""
    shared: list[Any] = [1]
    box = Box(shared)
    loop: dict[str, Any] = {"box": box, "shared": shared}
    loop["self"] = loop
    read = again({"loop": loop, "box": box})
    assert read["loop"]["self"] is read["loop"]
    assert read["loop"]["box"] is read["box"]
    assert read["box"].content is read["loop"]["shared"]
    read["box"].content.append(2)
    assert read["loop"]["shared"] == [1, 2]


def test_a_generator_goes_on_where_it_was() -> None:
    """Randomness is a part of the state."""
    chance = random.Random(7)  # noqa: S311  no secret
    chance.gauss(0, 1)
    read = again({"chance": chance})["chance"]
    assert [read.random() for _ in range(3)] == [chance.random() for _ in range(3)]
    assert read.gauss(0, 1) == chance.gauss(0, 1)


def test_infinities_are_words() -> None:
    """JSON has no infinity and PostgreSQL refuses Python's."""
    assert instance_state.encode({"a": math.inf}, {}) == {"a": {"$float": "inf"}}
    assert again({"a": -math.inf}) == {"a": -math.inf}


def test_what_cannot_be_kept_is_named() -> None:
    """An unknown type, an unknown word and a state that is no object are refused, not lost."""
    with pytest.raises(instance_state.UnknownStateValue, match="complex"):
        instance_state.encode({"a": 1j}, {})
    with pytest.raises(instance_state.UnknownStateValue, match=r"\$pickle"):
        instance_state.decode({"a": {"$pickle": ""}}, {})
    with pytest.raises(instance_state.UnknownStateValue, match="list"):
        instance_state.decode([], {})


def test_a_class_answers_as_the_leaderboards_executor_does() -> None:
    """A dictionary is JSON, anything else text, an error a text; an unknown function is our own error."""
    files = apis.create("GorillaFileSystem", {})
    assert apis.call(files, "pwd", {}) == {"current_working_directory": "//"}
    assert isinstance(apis.call(files, "cd", {"folder": []}), (str, dict))
    assert apis.call(files, "cd", {"nothing": 1}).startswith("Error during execution: ")
    with pytest.raises(apis.UnknownApi, match="GorillaFileSystem has no function 'fly'"):
        apis.call(files, "fly", {})
    with pytest.raises(apis.UnknownApi, match="no API class 'Nothing'"):
        apis.create("Nothing", {})


def test_no_call_leaves_something_behind_for_the_next() -> None:
    """Default lists are fresh and precision is put back."""
    posts = apis.create("TwitterAPI", {})
    apis.call(posts, "authenticate_twitter", {"username": "john", "password": "john123"})
    first = apis.call(posts, "post_tweet", {"content": "a"})
    apis.call(posts, "mention", {"tweet_id": first["id"], "mentioned_usernames": ["@ann"]})
    assert apis.call(posts, "post_tweet", {"content": "b"})["mentions"] == []
    digits, prec = mpmath.mp.dps, decimal.getcontext().prec
    maths = apis.create("MathAPI", {})
    apis.call(maths, "logarithm", {"value": 10.0, "base": 3.0, "precision": 50})
    apis.call(maths, "square_root", {"number": 2.0, "precision": 50})
    assert (mpmath.mp.dps, decimal.getcontext().prec) == (digits, prec)


def test_the_toolsets_are_nine_with_the_classes_names() -> None:
    """One a class, and the bank."""
    assert len(apis.owners()) == sum(len(apis.functions(name)) for name in apis.MODULES)
    assert set(apis.TOOLSETS) == set(apis.MODULES)
