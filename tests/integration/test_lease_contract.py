"""One suite for all that gives out leases: Motet, etcd, Redis. Each is a real server, and what holds for one must hold for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import pytest

import debian
from motet.chassis.waiting import wait_until
from motet.client.leases import BadRequest, Lease, LeaseLost, Leases, NotGranted, held
from motet.client.leases.on_etcd import EtcdLeases, text
from motet.client.leases.on_redis import RedisLeases
from world import World

SECONDS: Final = 30.0
# etcd has whole seconds, and none shorter than its election timeout allows.
SHORT: Final = 2.0
Office = Callable[[str], Leases]


@pytest.fixture(scope="module", params=["motet", "etcd", "redis"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, str], Any]]:
    """Makes leases for a scope and a holder, on one of the three."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "etcd":
        with debian.etcd(directory) as url:
            yield lambda scope, holder: EtcdLeases(url, scope, holder)
    elif request.param == "redis":
        with debian.redis_server(directory) as url:
            yield lambda scope, holder: RedisLeases(url, scope, holder)
    else:
        world: World = request.getfixturevalue("shared_world")
        world.leases()
        with world.client() as client:
            yield lambda scope, holder: client.leases.of(scope=scope, holder=holder)


@pytest.fixture
def office(server: Callable[[str, str], Any], request: pytest.FixtureRequest) -> Iterator[Office]:
    """Makes leases for a holder, in a scope of the test's own."""
    made: list[Any] = []

    def of(holder: str) -> Leases:
        made.append(server(request.node.name, holder))
        leases: Leases = made[-1]
        return leases

    yield of
    for one in made:
        getattr(one, "close", lambda: None)()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for those that wait."""
    with ThreadPoolExecutor(16) as threads:
        yield threads


def test_one_holder_at_a_time_and_a_higher_token_each_time(office: Office) -> None:
    """Held, refused to others, given back, held by another."""
    ann, bob = office("ann"), office("bob")
    first = ann.acquire(["a", "b"], duration_seconds=30)
    assert (first.resources, first.holder) == (("a", "b"), "ann")
    holding = bob.holder("a")
    assert holding is not None
    assert (holding.holder, holding.token) == ("ann", first.token)
    with pytest.raises(NotGranted):
        bob.acquire(["b", "c"], duration_seconds=30)
    assert bob.holder("c") is None
    ann.release(first)
    assert bob.holder("a") is None
    second = bob.acquire(["b", "c"], duration_seconds=30)
    assert second.token > first.token
    with pytest.raises(LeaseLost):
        ann.release(first)
    with pytest.raises(LeaseLost):
        ann.renew(first, 30)
    bob.release(second)


def test_time_ends_what_nobody_renews(office: Office) -> None:
    """Renewed it lasts; then it is another's, and the first holder is told so."""
    ann, bob = office("ann"), office("bob")
    first = ann.acquire(["a"], duration_seconds=20)
    longer = ann.renew(first, 40)
    assert longer.token == first.token
    assert longer.expires_at > first.expires_at
    began = time.monotonic()
    renewed = ann.renew(longer, SHORT)
    second = bob.acquire(["a"], duration_seconds=30, wait_seconds=SECONDS)
    # It was not taken away before its time.
    assert time.monotonic() - began >= SHORT
    assert second.token > first.token
    with pytest.raises(LeaseLost):
        ann.renew(renewed, 30)
    bob.release(second)


def test_a_wait_has_an_end_and_leaves_nothing_behind(office: Office) -> None:
    """Who waited in vain stands in nobody's way."""
    ann, bob, eve = office("ann"), office("bob"), office("eve")
    first = ann.acquire(["a"], duration_seconds=30)
    with pytest.raises(NotGranted, match=r"not within 0\.5 s"):
        bob.acquire(["a", "b"], duration_seconds=30, wait_seconds=0.5)
    eve.release(eve.acquire(["b"], duration_seconds=30))
    ann.release(first)
    bob.release(bob.acquire(["a", "b"], duration_seconds=30))


def test_those_that_wait_are_granted_in_the_order_in_which_they_asked(office: Office, pool: ThreadPoolExecutor) -> None:
    """Five of them; each asks once it is known that the one before is in line."""
    ann = office("ann")
    first = ann.acquire(["a"], duration_seconds=60)
    order: list[str] = []

    def wait(name: str) -> None:
        leases = office(name)
        with held(leases, ["a"], duration_seconds=30, wait_seconds=SECONDS):
            order.append(name)

    futures: list[Future[None]] = []
    for number in range(5):
        futures.append(pool.submit(wait, f"w{number}"))
        await_in_line(ann, number + 1)
    ann.release(first)
    for future in futures:
        future.result(SECONDS)
    assert order == [f"w{number}" for number in range(5)]


def await_in_line(leases: Leases, count: int) -> None:
    """Waits until so many wait for `a`; each server has its own way to say so."""

    def in_line() -> int:
        match leases:
            case EtcdLeases():
                prefix = leases.prefix("a")
                line = {"key": text(prefix), "range_end": text(prefix[:-1] + "0")}
                return int(leases.ask("kv/range", line)["count"]) - 1
            case RedisLeases():
                return int(leases.server.zcard(f"{leases.prefix}line:a")) - 1
            case _:
                return int(leases.waiting("a"))  # type: ignore[attr-defined]

    wait_until(lambda: in_line() == count, SECONDS, f"{count} in line")


def test_several_resources_at_once_never_deadlock_and_never_have_two_holders(
    office: Office, pool: ThreadPoolExecutor
) -> None:
    """Eight holders, each taking two of three resources in whatever order it names them, again and again."""
    inside = {name: threading.Lock() for name in "abc"}
    seen: list[tuple[str, int]] = []
    wanted = (["a", "b"], ["b", "a"], ["b", "c"], ["c", "a"])

    def work(number: int) -> None:
        leases = office(f"h{number}")
        for turn in range(3):
            names = wanted[(number + turn) % len(wanted)]
            with held(leases, names, duration_seconds=30, wait_seconds=SECONDS) as lease:
                taken = [inside[name].acquire(blocking=False) for name in names]
                assert all(taken), f"{names} has two holders"
                seen.extend((name, lease.token) for name in names)
                for name in names:
                    inside[name].release()

    for future in [pool.submit(work, number) for number in range(8)]:
        future.result(SECONDS * 2)
    for name in "abc":
        tokens = [token for one, token in seen if one == name]
        assert tokens == sorted(set(tokens)), f"tokens of {name} went back"
    assert len(seen) == 48


def test_a_request_that_makes_no_sense_is_refused(office: Office) -> None:
    """No resource, no duration, a negative wait."""
    ann = office("ann")
    for resources, duration, wait in (([], 1.0, 0.0), (["a"], 0.0, 0.0), (["a"], -1.0, 0.0), (["a"], 1.0, -1.0)):
        with pytest.raises(BadRequest):
            ann.acquire(resources, duration_seconds=duration, wait_seconds=wait)
    lease: Lease = ann.acquire(["a"], duration_seconds=30)
    with pytest.raises(BadRequest):
        ann.renew(lease, 0)
    ann.release(lease)
