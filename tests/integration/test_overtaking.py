"""The same bytes from real processes: one set of inputs, 1, 2, 8 and 32 calls at once, calls that overtake each other, one history (P4)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from histories import committed, forget
from motet.client import Call, Client
from world import World

SECONDS: Final = 60.0
WINDOWS: Final = (1, 2, 8, 32)


def plans() -> list[list[Call]]:
    """One of 40 calls, most of which may run at once, and one that takes turns with it."""
    wide = [Call("overtaking.look", {"place": place}) for place in range(16)]
    wide += [Call("overtaking.send", {"place": place}) for place in range(16, 34)]
    pages = [Call("overtaking.turn", {"book": "b"}, after=[f"c{at}"]) for at in (3, 1, 17)]
    behind = [Call("overtaking.turn", {"book": "a"}, after=["c20", "c4"]), Call("overtaking.turn", {"book": "b"})]
    refers = Call("overtaking.look", {"place": {"$result": {"call": "c34"}}})
    return [[*wide, *pages, *behind, refers], [Call("overtaking.turn", {"book": "b"})] * 2]


def run(world: World, client: Client, window: int) -> tuple[list[str], list[str], list[str]]:
    """Runs the plans as if for the first time, so many calls at once: committed bytes, texts for a model, and who ended when."""
    log = world.directory / f"order-{window}"
    settings = {"MOTET_TOOL_THREADS": str(window), "OVERTAKING_SEED": str(window), "OVERTAKING_LOG": str(log)}
    host = world.tools("overtaking_tools", **settings)
    submitted = [client.submit(calls, idempotency_key=f"k{at}") for at, calls in enumerate(plans())]
    outcomes = [one.wait(SECONDS) for one in submitted]
    assert [one.status for one in outcomes] == ["FAILED", "SUCCEEDED"]
    assert not any(one.repeated for one in outcomes)
    assert host.stop() == 0
    texts = [one.text for one in outcomes]
    forget(world, [one.plan_id for one in outcomes], "overtaking", "page")
    return [committed(world, one.plan_id) for one in outcomes], texts, Path(log).read_text().split()


def test_however_many_calls_run_at_once_the_log_has_the_same_bytes(world: World) -> None:
    """Same commits in the same order with the same keys, same terminal events, same texts; and they did overtake each other."""
    world.coordinator()
    with world.client() as client:
        found = [run(world, client, window) for window in WINDOWS]
    histories, texts, orders = zip(*found, strict=True)
    assert all(history == histories[0] for history in histories)
    assert all(text == texts[0] for text in texts)
    assert len({tuple(order) for order in orders}) == len(WINDOWS)
    assert '"half":1.5' in texts[0][0]
    assert "NOBODY" in texts[0][0]
