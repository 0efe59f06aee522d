"""In how many processes the suite runs."""

from __future__ import annotations

import pytest

import servers
import workers

GIVEN = dict(zip(servers.NAMED, ("kafka:1", "postgresql://two", "http://three"), strict=True))


def test_servers_that_are_given_have_one_process() -> None:
    """Two would take each other's shards, so asking for several is an error that says what to do."""
    assert workers.number(GIVEN, whole=True) == 0
    workers.check(0, GIVEN)
    workers.check(None, GIVEN)
    with pytest.raises(workers.ServersAreShared, match=r"-n 2: .*MOTET_KAFKA_BOOTSTRAP.*: leave -n out"):
        workers.check(2, GIVEN)


def test_a_selection_is_run_by_who_asked_for_it() -> None:
    """Others would start for longer than it takes."""
    assert workers.number({}, whole=False) == 0


def test_what_comes_first_is_there() -> None:
    """A file that was renamed would come anywhere."""
    there = {path.name for path in (servers.ROOT / "tests").rglob("test_*.py")}
    assert set(workers.FIRST) - there == set()
