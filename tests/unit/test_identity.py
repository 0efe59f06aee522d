"""Identity and time are functions of the log."""

from hypothesis import given
from hypothesis import strategies as st

from motet.chassis import clock
from motet.chassis.identity import derived_id, murmur2, partition_of


def test_murmur2_is_java_s() -> None:
    """The values are those of Kafka's own UtilsTest."""
    expected = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    for data, value in expected.items():
        assert murmur2(data) == value % 2**32


@given(st.binary(), st.integers(1, 64))
def test_a_key_has_one_partition_in_range(key: bytes, partitions: int) -> None:
    """The partition is within the topic."""
    assert 0 <= partition_of(key, partitions) < partitions


def test_ids_name_their_place() -> None:
    """Two places never share an id, and a place always has the same."""
    assert derived_id("coordinator", 1, 23) == derived_id("coordinator", 1, 23)
    assert derived_id("coordinator", 1, 23) != derived_id("coordinator", 12, 3)


@given(st.lists(st.integers(0, 2**44)))
def test_the_clock_only_goes_forward(walls: list[int]) -> None:
    """However wall time jumps, values grow and are never behind the wall."""
    last = 0
    for wall in walls:
        after = clock.tick(last, wall)
        assert after > last
        assert clock.wall_ms(after) >= wall
        last = after
