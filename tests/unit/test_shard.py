"""What a shard refuses by its rows and by what its group committed, before it reads or publishes anything."""

from __future__ import annotations

import pytest

from motet.chassis.errors import ConfigurationError, DatabaseBehindLog, Refused
from motet.chassis.settings import load
from motet.chassis.shard import Shard, check_committed, check_rows, published_to

SERVERS = {"kafka_bootstrap": "k:1", "postgres_url": "postgresql://p", "schema_registry_url": "http://r"}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [([], 0), (["7"], 7), (["7", "9", None], 9), ([None], None), (["", None], None), (["0"], 0)],
)
def test_a_group_that_committed_says_up_to_where_it_published(metadata: list[str | None], expected: int | None) -> None:
    """Nothing committed is nothing published; offsets without a position are somebody else's."""
    assert published_to(metadata) == expected


@pytest.mark.parametrize(
    ("first", "count", "published"), [(None, 0, 10), (4, 6, 4), (0, 10, 0), (0, 10, None)], ids=str
)
def test_an_outbox_that_has_what_is_not_published_is_taken(
    first: int | None, count: int, published: int | None
) -> None:
    """All of it, which may be nothing or everything."""
    check_rows(first, count, published, Shard(2, next_position=10), "coordinator")


@pytest.mark.parametrize(
    ("first", "count", "published", "said"),
    [
        (5, 5, 4, "positions 4 to 10 are not published yet, and the outbox has 5 of 6 rows. Somebody deleted rows"),
        (3, 6, 4, "the outbox has 6 of 6 rows"),
        (None, 0, 0, "the outbox has 0 of 10 rows"),
        (8, 2, None, "set by somebody else, and of 10 positions nobody knows .* Run `motet recover coordinator`"),
    ],
)
def test_an_outbox_that_lacks_something_is_refused(
    first: int | None, count: int, published: int | None, said: str
) -> None:
    """By shard, with what there is, and with what to do."""
    with pytest.raises(Refused, match=f"coordinator, shard 2: .*{said}"):
        check_rows(first, count, published, Shard(2, next_position=10), "coordinator")


def test_a_database_that_is_older_than_the_log_is_refused() -> None:
    """By its offsets, or by its positions."""
    with pytest.raises(DatabaseBehindLog, match=r"committed motet\.commands up to offset 9, and the database has 8"):
        check_committed(Shard(2, offsets={"motet.commands": 8}), {"motet.commands": 9}, "coordinator")
    with pytest.raises(DatabaseBehindLog, match="published up to position 11, and the database has 10"):
        check_rows(None, 0, 11, Shard(2, next_position=10), "coordinator")


def test_limits_that_do_not_fit_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are named, with their values."""
    monkeypatch.setenv("MOTET_MAX_POLL_INTERVAL_MS", "10000")
    assert load(**SERVERS).max_poll_interval_ms == load(**SERVERS).session_timeout_ms
    monkeypatch.setenv("MOTET_MAX_POLL_INTERVAL_MS", "5000")
    with pytest.raises(
        ConfigurationError, match="INTERVAL_MS is 5000, less than MOTET_SESSION_TIMEOUT_MS, which is 10000"
    ):
        load(**SERVERS)
