"""Shards are whole once all topics of their number were dealt, at once or a few partitions at a time."""

from __future__ import annotations

from confluent_kafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from motet.chassis.dealt import Dealt
from motet.chassis.offsets import Place, place_of

TOPICS = ("a", "b", "c")
EVERY = [(topic, number) for topic in TOPICS for number in range(4)]


def partitions(places: list[Place]) -> list[TopicPartition]:
    """As the client has them."""
    return [TopicPartition(*place) for place in places]


def test_the_classic_protocol_deals_everything_anew() -> None:
    """What was there before is not; a shard of which a topic lacks is not read."""
    dealt = Dealt(TOPICS, by_piece=False)
    assert dealt.take(partitions(EVERY)) == ([0, 1, 2, 3], [])
    assert dealt.take(partitions([*EVERY[:2], ("b", 0), ("c", 0)])) == ([0], [1])
    assert [dealt.has(number) for number in range(4)] == [True, False, False, False]
    assert dealt.give(partitions([("a", 0), ("b", 0), ("c", 0), ("a", 1)])) == []


def test_the_consumer_protocol_deals_by_piece() -> None:
    """A shard whose topics come one after the other is whole with the last; one that loses a topic is not read any more."""
    dealt = Dealt(TOPICS, by_piece=True)
    assert dealt.take(partitions([("a", 0), ("b", 0)])) == ([], [0])
    assert not dealt.has(0)
    assert dealt.take(partitions([("c", 0), ("a", 1), ("b", 1), ("c", 1)])) == ([1], [0])
    assert dealt.has(0)
    assert [place_of(one) for one in dealt.give(partitions([("b", 0)]))] == [("a", 0), ("c", 0)]
    assert (dealt.has(0), dealt.has(1)) == (False, True)
    assert dealt.take([]) == ([], [])
    assert dealt.has(1)


@given(st.permutations(EVERY), st.lists(st.integers(1, 5), max_size=12))
def test_however_all_are_dealt_all_shards_are_there_in_the_end(order: list[Place], sizes: list[int]) -> None:
    """And each was said once to be whole, or to be looked at again."""
    dealt, told = Dealt(TOPICS, by_piece=True), set[int]()
    while order:
        size = sizes.pop() if sizes else 1
        whole, parts = dealt.take(partitions(order[:size]))
        told |= {*whole, *(number for number in parts if dealt.has(number))}
        order = order[size:]
    assert told == {0, 1, 2, 3}
    assert all(map(dealt.has, range(4)))
