"""Version vectors and copies of records: the laws by which regions converge, whatever comes when and how often."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.versions import BadVector, Replica, Sibling, Vector
from motet.versions.vector import REGIONS

COUNTS = st.dictionaries(st.sampled_from(["eu", "us", "ap"]), st.integers(0, 3))
VECTORS = COUNTS.map(Vector.of)
OPPOSITE = {"BEFORE": "AFTER", "AFTER": "BEFORE", "EQUAL": "EQUAL", "CONCURRENT": "CONCURRENT"}


def not_after(one: Vector, other: Vector) -> bool:
    """The partial order."""
    return one.compare(other) in ("BEFORE", "EQUAL")


# -- vectors -------------------------------------------------------------------------------------------------------------------


@given(VECTORS, VECTORS, VECTORS)
def test_vectors_are_in_a_partial_order(one: Vector, two: Vector, three: Vector) -> None:
    """Each equals itself and no other, two compare alike from both sides, and what is before before is before."""
    assert one.compare(one) == "EQUAL"
    assert (one.compare(two) == "EQUAL") == (one == two)
    assert two.compare(one) == OPPOSITE[one.compare(two)]
    if not_after(one, two) and not_after(two, three):
        assert not_after(one, three)


@given(VECTORS, VECTORS, VECTORS)
def test_a_merge_is_the_least_that_is_before_neither(one: Vector, two: Vector, three: Vector) -> None:
    """The least upper bound, whoever merges what first."""
    merged = one.merge(two)
    assert not_after(one, merged)
    assert not_after(two, merged)
    if not_after(one, three) and not_after(two, three):
        assert not_after(merged, three)
    assert merged == two.merge(one)
    assert merged.merge(three) == one.merge(two.merge(three))
    assert one.merge(one) == one


@given(VECTORS, st.sampled_from(["eu", "us", "zz"]))
def test_a_write_comes_after_what_it_knew_of(one: Vector, region: str) -> None:
    """And two regions' writes on the same are concurrent."""
    assert one.bump(region).compare(one) == "AFTER"
    assert one.bump(region).compare(one.bump("ap")) == "CONCURRENT"


@given(VECTORS)
def test_a_vector_has_one_text(one: Vector) -> None:
    """Which reads back."""
    assert Vector.parse(one.text) == one


@pytest.mark.parametrize(
    "text", ["eu", "eu=0", "us=1,eu=1", "eu=1,eu=2", "eu=01", "EU=1", "eu=1,", " eu=1", "eu=-1", "=1", "é=1", "eu=1,us"]
)
def test_any_other_text_is_none(text: str) -> None:
    """Two texts of one vector would be two records."""
    with pytest.raises(BadVector):
        Vector.parse(text)


def test_a_vector_has_so_many_regions() -> None:
    """It never shrinks, so it is bounded."""
    full = Vector.of({f"r{n}": 1 for n in range(REGIONS)})
    with pytest.raises(BadVector, match="17 regions; the limit is 16"):
        full.bump("one-more")
    with pytest.raises(BadVector, match="region 'Nowhere!'"):
        Vector().bump("Nowhere!")


# -- copies --------------------------------------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[Sibling]:
    """Writes of three regions, which hear of each other now and then: each update as it was sent."""
    copies = {region: Replica() for region in ("eu", "us", "ap")}
    sent: list[Sibling] = []
    for number in range(draw(st.integers(1, 10))):
        region = draw(st.sampled_from(sorted(copies)))
        for update in draw(st.lists(st.sampled_from(sent), max_size=3)) if sent else []:
            copies[region] = copies[region].join(Replica((update,)))
        copies[region] = copies[region].write(region, json.dumps(number))
        sent += copies[region].siblings
    return sent


@given(histories(), st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_copies_converge_in_any_order_with_repeats(sent: list[Sibling], one: Random, other: Random) -> None:
    """To the same siblings, of which none is before another, and at most one is of each region."""
    results = []
    for chance in (one, other):
        copy = Replica()
        for update in chance.sample(sent, len(sent)) + chance.choices(sent, k=len(sent)):
            known = copy.arrival(update)
            after = copy.join(Replica((update,)))
            assert (after == copy) == (known in ("OLDER", "REPEATED"))
            assert (len(after.siblings) == 1) >= (known == "NEWER")
            copy = after
        results.append(copy)
    assert results[0] == results[1]
    siblings = results[0].siblings
    assert all(a.vector.compare(b.vector) == "CONCURRENT" for a in siblings for b in siblings if a is not b)
    assert len({a.region for a in siblings}) == len(siblings)


@given(histories(), histories(), histories())
def test_joins_are_a_semilattice(a: list[Sibling], b: list[Sibling], c: list[Sibling]) -> None:
    """Commutative, associative, idempotent; also where two wrote different things under one vector."""
    one, two, three = Replica.of(a), Replica.of(b), Replica.of(c)
    assert one.join(two) == two.join(one)
    assert one.join(two).join(three) == one.join(two.join(three))
    assert one.join(one) == one


def test_a_write_takes_the_place_of_everything_that_its_region_has() -> None:
    """Also of siblings that nobody merged."""
    eu, us = Replica().write("eu", "1"), Replica().write("us", "2")
    both = eu.join(us)
    assert [one.value for one in both.siblings] == ["1", "2"]
    assert (eu.arrival(us.siblings[0]), both.vector.text) == ("CONCURRENT", "eu=1,us=1")
    settled = both.write("us", "3")
    assert (settled.vector.text, settled.join(both)) == ("eu=1,us=2", settled)
    assert (eu.arrival(settled.siblings[0]), settled.arrival(eu.siblings[0])) == ("NEWER", "OLDER")


@pytest.mark.parametrize(("vector", "region"), [("eu=1", "us"), ("", "eu"), ("eu=1", ""), ("us=1,eu=1", "eu")])
def test_an_update_that_nobody_wrote_is_none(vector: str, region: str) -> None:
    """Its region has a write in its vector."""
    with pytest.raises(BadVector):
        Sibling.received(vector, region, "1")
