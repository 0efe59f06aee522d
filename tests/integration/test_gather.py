"""`await motet.gather(…)`: parallel calls from async Python, in order, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import pytest

import motet
from motet import Call, Client, PlanFailed
from motet.chaos.witness import Witness
from motet.client import PlanTimeout
from world import World

SECONDS: Final = 40.0


@pytest.fixture(scope="module")
def client(shared_world: World, outside: Witness) -> Iterator[Client]:
    """A client; the coordinator and the fault tools run."""
    shared_world.coordinator()
    shared_world.tools("fault_tools", WITNESS_URL=outside.url)
    with shared_world.client("gather") as made:
        yield made


def charge(account: str, query: str = "") -> Call:
    """A call to the witness."""
    return Call("fault.charge", {"account": account, "query": query})


def test_results_come_in_the_order_in_which_calls_are_written(client: Client) -> None:
    """The slow one first; several gathers run at once on one client."""

    async def work() -> list[Any]:
        slow = motet.gather(client, charge("a", "?delay=0.7"), Call("fault.compute"))
        return [*await asyncio.gather(slow, motet.gather(client, Call("fault.compute"), Call("fault.compute")))]

    (slow, quick) = asyncio.run(work())
    assert slow[0]["status"] == 200
    assert slow[1] == "computed"
    assert quick == ["computed", "computed"]


def test_a_key_makes_it_once(client: Client, outside: Witness) -> None:
    """Whoever asks again, in another process too, gets the first results."""
    before = len(outside.effects())
    asked = [charge("b"), charge("c")]
    first = asyncio.run(motet.gather(client, *asked, key=f"once-{client.tenant}"))
    again = asyncio.run(motet.gather(client, *asked, key=f"once-{client.tenant}"))
    assert first == again
    assert len(outside.effects()) == before + 2


def test_what_did_not_succeed_raises_with_every_end(client: Client) -> None:
    """The message names the first call that failed; `outcome` has the rest."""
    with pytest.raises(PlanFailed, match=r"ended FAILED: c1 \(fault.compute\): ASKED: it was asked to fail") as failed:
        asyncio.run(motet.gather(client, Call("fault.compute"), Call("fault.compute", {"how": "fail"})))
    assert [one.status for one in failed.value.outcome.results] == ["SUCCEEDED", "FAILED"]
    with pytest.raises(PlanFailed, match="ended REJECTED: UNKNOWN_TOOL"):
        asyncio.run(motet.gather(client, Call("fault.nothing")))


def test_who_waits_no_longer_leaves_the_plan_which_goes_on(client: Client, outside: Witness) -> None:
    """By time and by being cancelled; the same key tells the end, and the effect is there once."""
    before, key = len(outside.effects()), f"left-{client.tenant}"
    asked = charge("d", "?delay=0.8")

    async def work() -> list[Any]:
        with pytest.raises(PlanTimeout, match=r"did not end within 0\.1 s; it goes on"):
            await motet.gather(client, asked, key=key, timeout_seconds=0.1)
        task = asyncio.ensure_future(motet.gather(client, asked, key=key))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await motet.gather(client, asked, key=key, timeout_seconds=SECONDS)

    assert asyncio.run(work())[0]["status"] == 200
    assert len(outside.effects()) == before + 1
