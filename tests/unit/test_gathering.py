"""Where nobody waits for what comes of records, they gather; where somebody may, the next round begins at once."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from motet.chassis.gathering import Gathering
from motet.chassis.message import Message

SECONDS = 0.2
LIMIT = 5


def message(offset: int, shard: int = 0, *, awaited: bool = False) -> Message:
    """A record; whether somebody waits for what comes of it its value says."""
    return Message("motet.commands", shard, offset, b"k", b"ours" if awaited else b"theirs", 0, ())


def gathering(seconds: float = SECONDS) -> Gathering:
    """Records that gather."""
    return Gathering(seconds, LIMIT, lambda one: one.value == b"ours")


def test_records_gather_so_long_after_the_first_and_no_longer() -> None:
    """Those that come later do not put it off."""
    records = gathering()
    assert records.left(0.0) == inf
    records.add([message(1)], 10.0)
    records.add([message(2)], 10.1)
    assert records.take(10.15) == {}
    assert 0 < records.left(10.15) <= SECONDS - 0.15 + 1e-9
    assert records.take(10.2) == {0: [message(1), message(2)]}
    assert records.left(10.2) == inf
    assert records.take(20.0) == {}


def test_a_record_that_somebody_waits_for_takes_all_with_it() -> None:
    """In the order in which they came, those of other shards too."""
    records = gathering()
    records.add([message(1), message(7, 1)], 10.0)
    records.add([message(2, awaited=True), message(3)], 10.01)
    assert records.take(10.01) == {0: [message(1), message(2, awaited=True), message(3)], 1: [message(7, 1)]}


def test_as_many_as_a_hop_takes_do_not_wait() -> None:
    """More would only fall behind."""
    records = gathering()
    records.add([message(number) for number in range(LIMIT - 1)], 10.0)
    assert records.take(10.0) == {}
    records.add([message(LIMIT)], 10.0)
    assert len(records.take(10.0)[0]) == LIMIT


def test_a_service_that_never_waits_does_not_ask_for_whom() -> None:
    """Everything is taken as it comes."""
    records = Gathering(0.0, LIMIT, lambda _: 1 // 0 == 0)
    records.add([message(1)], 10.0)
    assert records.take(10.0) == {0: [message(1)]}


def test_what_is_let_go_is_forgotten() -> None:
    """Its next owner reads it again; the others' wait on."""
    records = gathering()
    records.add([message(1), message(7, 1)], 10.0)
    records.forget(0)
    records.forget(3)
    assert records.take(10.2) == {1: [message(7, 1)]}
    records.add([message(1)], 11.0)
    records.forget(0)
    assert records.left(12.0) == inf


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.floats(0, 0.1)), max_size=40))
def test_each_record_is_taken_once_and_none_overtakes_another_of_its_shard(
    steps: list[tuple[int, bool, float]],
) -> None:
    """However they come."""
    records, now, taken = gathering(), 0.0, list[Message]()
    given_to = [message(number, shard, awaited=awaited) for number, (shard, awaited, _) in enumerate(steps)]
    for one, (_, _, seconds) in zip(given_to, steps, strict=True):
        now += seconds
        records.add([one], now)
        taken += [each for messages in records.take(now).values() for each in messages]
    taken += [each for messages in records.take(now + SECONDS).values() for each in messages]
    for shard in range(4):
        assert [one for one in taken if one.partition == shard] == [one for one in given_to if one.partition == shard]
    assert len(taken) == len(given_to)
