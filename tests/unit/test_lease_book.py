"""What a desk for leases answers, case by case."""

from __future__ import annotations

from typing import Any

import pytest

from motet.leases.book import Book
from motet.leases.desk import Desk
from motet.leases.lease import Ended, Granted, Queued, Renewed, Step
from motet.leases.limits import LeaseLimits
from motet.plan.identity import lease_id_of
from motet.records import AcquireLeases, Reason, ReleaseLease, RenewLease

SCOPE = ("acme", "accounts")
NOW = 1_000_000


def asked(key: str, *resources: str, holder: str = "ann", seconds: float = 10.0, wait: float = 60.0) -> AcquireLeases:
    """A request."""
    return AcquireLeases(key, *SCOPE, holder, resources, seconds, wait)


class Counter:
    """A desk with a clock."""

    def __init__(self, **limits: Any) -> None:
        self.book = Book()
        self.desk = Desk(self.book, LeaseLimits(**limits))
        self.now = NOW

    def acquire(self, command: AcquireLeases) -> list[Step]:
        """Steps of a request that is not refused."""
        steps = self.desk.acquire(command, "c", None, self.now)
        assert isinstance(steps, list), steps
        return steps

    def refused(self, answer: list[Step] | tuple[Reason, ...]) -> list[tuple[str, str]]:
        """Why something is refused."""
        assert isinstance(answer, tuple), answer
        return [(one.code, one.message) for one in answer]


def test_several_resources_are_granted_as_one_and_in_the_order_of_the_log() -> None:
    """A request that shares nothing with those that wait overtakes nobody; one that does waits behind them."""
    desk = Counter()
    (first,) = desk.acquire(asked("1", "b", "a", "a"))
    assert isinstance(first, Granted)
    assert (first.lease.resources, first.lease.token, first.lease.expires_at) == (("a", "b"), 1, NOW + 10_000)
    (second,) = desk.acquire(asked("2", "b", "c"))
    (third,) = desk.acquire(asked("3", "c"))
    (fourth,) = desk.acquire(asked("4", "d"))
    assert [type(one) for one in (second, third, fourth)] == [Queued, Queued, Granted]
    desk.now += 9_999
    assert desk.book.at(SCOPE, desk.now) == []
    desk.now += 1
    ended, granted = desk.book.at(SCOPE, desk.now)[:2]
    assert isinstance(ended, Ended)
    assert (ended.end, ended.lease.lease_id) == ("EXPIRED", first.lease.lease_id)
    assert isinstance(granted, Granted | Ended)


def test_a_wait_ends_in_time_and_lets_those_behind_pass() -> None:
    """The second one gives up; the third was behind it in one line only."""
    desk = Counter()
    desk.acquire(asked("1", "a", seconds=30.0))
    desk.acquire(asked("2", "a", "b", wait=5.0))
    (third,) = desk.acquire(asked("3", "b"))
    assert isinstance(third, Queued)
    assert desk.book.next_due() == (NOW + 5_000, SCOPE)
    ended, granted = desk.book.at(SCOPE, NOW + 5_000)
    assert isinstance(ended, Ended)
    assert isinstance(granted, Granted)
    assert (ended.end, ended.lease.token, granted.lease.lease_id) == ("NOT_IN_TIME", 0, third.lease.lease_id)


def test_a_token_never_goes_back() -> None:
    """Not after a release, not after an end by time, not for another resource of the scope."""
    desk = Counter()
    tokens = []
    for number in range(5):
        (granted,) = desk.acquire(asked(str(number), "ab"[number % 2]))
        tokens.append(granted.lease.token)
        if number % 2:
            desk.now += 10_000
            desk.book.at(SCOPE, desk.now)
        else:
            desk.book.release(granted.lease, desk.now)
    assert tokens == [1, 2, 3, 4, 5]


def test_only_the_holder_renews_and_only_with_its_token() -> None:
    """And only for so long as the settings say; what is over by the record's own time cannot be renewed."""
    desk = Counter()
    (granted,) = desk.acquire(asked("1", "a"))
    lease_id = granted.lease.lease_id
    # A client that writes 10 and not 10.0 derives the same id: Avro makes one number of both.
    assert lease_id == lease_id_of(asked("1", "a")) == lease_id_of(asked("1", "a", seconds=10, wait=60))

    def renew(holder: str, token: int, seconds: float = 20.0) -> list[Step] | tuple[Reason, ...]:
        return desk.desk.renew(RenewLease("k", *SCOPE, holder, lease_id, token, seconds), desk.now)

    assert desk.refused(renew("bob", 1)) == [("OTHER_HOLDER", f"lease {lease_id} belongs to 'ann', and 'bob' asks")]
    assert desk.refused(renew("ann", 0)) == [("STALE_TOKEN", f"stale token 0 for lease {lease_id}: it has token 1")]
    ((code, message),) = desk.refused(renew("ann", 1, 3_601.0))
    assert (code, "at most 3600" in message) == ("BAD_DURATION", True)
    (renewed,) = renew("ann", 1)
    assert isinstance(renewed, Renewed)
    assert (renewed.lease.expires_at, renewed.lease.token) == (NOW + 20_000, 1)
    assert desk.book.at(SCOPE, NOW + 10_000) == []
    assert len(desk.book.at(SCOPE, NOW + 20_000)) == 1
    ((code, _),) = desk.refused(renew("ann", 1))
    assert code == "NOT_HELD"


def test_who_waits_may_stop_waiting_and_has_nothing_to_renew() -> None:
    """By releasing with token 0."""
    desk = Counter()
    desk.acquire(asked("1", "a"))
    (queued,) = desk.acquire(asked("2", "a"))
    lease_id = queued.lease.lease_id
    ((code, _),) = desk.refused(desk.desk.renew(RenewLease("k", *SCOPE, "ann", lease_id, 0, 5.0), NOW))
    assert code == "NOT_HELD"
    steps = desk.desk.release(ReleaseLease("k", *SCOPE, "ann", lease_id, 0), NOW)
    assert isinstance(steps, list)
    (ended,) = steps
    assert isinstance(ended, Ended)
    assert ended.end == "WITHDRAWN"


def test_who_does_not_wait_is_refused_with_the_holders_name() -> None:
    """Nothing changed then."""
    desk = Counter()
    desk.acquire(asked("1", "account:42", holder="ann"))
    answer = desk.desk.acquire(asked("2", "account:42", "account:7", holder="bob", wait=0.0), "c", None, NOW)
    assert desk.refused(answer) == [("HELD", "account:42 is held by 'ann'; ask with wait_seconds to wait for it")]
    assert len(desk.book.leases) == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (asked("1"), "BAD_RESOURCES"),
        (asked("1", *(str(number) for number in range(17))), "BAD_RESOURCES"),
        (asked("1", "a" * 301), "BAD_RESOURCES"),
        (asked("1", "a\n"), "BAD_RESOURCES"),
        (asked("1", "a", seconds=0.0), "BAD_DURATION"),
        (asked("1", "a", seconds=3_600.5), "BAD_DURATION"),
        (asked("1", "a", seconds=float("nan")), "BAD_DURATION"),
        (asked("1", "a", wait=-1.0), "BAD_WAIT"),
        (asked("1", "a", wait=float("inf")), "BAD_WAIT"),
        (asked("", "a"), "BAD_IDENTIFIER"),
        (asked("1", "a", holder="x" * 201), "BAD_IDENTIFIER"),
    ],
)
def test_a_request_beyond_a_limit_is_refused(command: AcquireLeases, code: str) -> None:
    """With a reason that names the limit, and nothing changed."""
    desk = Counter()
    assert [one for one, _ in desk.refused(desk.desk.acquire(command, "c", None, NOW))] == [code]
    assert not desk.book.leases


def test_holders_and_tenants_have_a_bound() -> None:
    """What was given back counts no longer."""
    desk = Counter(per_holder=2, per_tenant=3)
    (first,) = desk.acquire(asked("1", "a"))
    desk.acquire(asked("2", "a"))
    answer = desk.desk.acquire(asked("3", "b"), "c", None, NOW)
    assert [code for code, _ in desk.refused(answer)] == ["TOO_MANY_LEASES"]
    desk.acquire(asked("4", "c", holder="bob"))
    answer = desk.desk.acquire(asked("5", "d", holder="eve"), "c", None, NOW)
    assert [code for code, _ in desk.refused(answer)] == ["TOO_MANY_LEASES"]
    desk.book.release(first.lease, NOW)
    desk.acquire(asked("6", "d", holder="eve"))
