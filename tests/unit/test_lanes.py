"""Lanes: exactly the next record is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.chassis import lanes
from motet.chassis.errors import LaneBroken

RECORDS = st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=20)), min_size=1, max_size=20)


def sent(records: list[tuple[bytes, bytes]]) -> list[tuple[lanes.Stamp, bytes, bytes]]:
    """Records as a sender stamps them."""
    place, out = lanes.Place(), []
    for key, value in records:
        out.append((lanes.Stamp("coordinator", 3, place.number + 1, place.digest, exogenous=False), key, value))
        place = lanes.follow(place, key, value)
    return out


def take(messages: list[tuple[lanes.Stamp, bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What a receiver takes of messages."""
    place, taken = lanes.Place(), []
    for stamp, key, value in messages:
        after = lanes.receive(place, stamp, key, value, "t:0:0")
        if after != "repeat":
            place = after
            taken.append((key, value))
    return taken


@given(RECORDS, st.data())
def test_repeats_of_a_suffix_are_dropped(records: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    """A sender that publishes again from any earlier place, any number of times, adds nothing."""
    messages = sent(records)
    stream = list(messages)
    for start in data.draw(st.lists(st.integers(0, len(messages) - 1), max_size=3)):
        stream += messages[start:]
    assert take(stream) == records


@given(RECORDS.filter(lambda records: len(records) > 1), st.data())
def test_a_gap_is_refused(records: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    """A missing record stops the lane at the next one."""
    messages = sent(records)
    missing = data.draw(st.integers(0, len(messages) - 2))
    with pytest.raises(LaneBroken, match="missing"):
        take(messages[:missing] + messages[missing + 1 :])


def test_a_changed_record_breaks_the_chain() -> None:
    """A value changed after the fact is found at the record behind it."""
    messages = sent([(b"k", b"one"), (b"k", b"two")])
    stamp, key, _ = messages[0]
    with pytest.raises(LaneBroken, match="history was changed"):
        take([(stamp, key, b"other"), messages[1]])


@given(st.text(min_size=1, max_size=30), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.booleans())
def test_a_stamp_survives_its_header(service: str, shard: int, number: int, exogenous: bool) -> None:
    """Packing and unpacking a stamp changes nothing."""
    stamp = lanes.Stamp(service, shard, number, bytes(range(32)), exogenous)
    assert lanes.Stamp.unpack(stamp.pack()) == stamp


@pytest.mark.parametrize("header", [b"", b"\x01", bytes(46), b"\x02" + bytes(60)])
def test_another_header_is_no_stamp(header: bytes) -> None:
    """A header that is none is refused with ValueError, never with another error."""
    with pytest.raises(ValueError, match="motet-lane"):
        lanes.Stamp.unpack(header)
