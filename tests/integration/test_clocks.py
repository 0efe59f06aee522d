"""Clocks of processes that are days apart and jump while they work: nothing that they decide is another thing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from faketime import environment, jumping
from histories import committed, forget
from motet.chaos.clocks import Clock
from motet.chassis.waiting import wait_until
from world import World

HERE: Final = Path(__file__).parent
SECONDS: Final = 90.0
NAMES: Final = ("coordinator", "projector", "host", "client")
# The command window: a jump of two days is far beyond it.
WINDOW: Final = {"MOTET_COMMAND_WINDOW_SECONDS": "3600"}


def run(world: World, clocks: dict[str, Clock]) -> tuple[list[str], list[str], list[Any]]:
    """Starts everything, each by its own clock if it has one; kills the host in the midst of a call; histories, texts, effects."""
    environments = {name: environment(clocks[name]) if name in clocks else {} for name in NAMES}
    coordinator = world.coordinator(**environments["coordinator"], **WINDOW)
    projector = world.projector(**environments["projector"])
    host = world.tools("clock_tools", **environments["host"])
    path = os.pathsep.join([str(HERE.parents[1] / "services"), str(HERE)])
    known = {**os.environ, **world.addresses.environment(), "PYTHONPATH": path, **environments["client"]}
    with subprocess.Popen(
        [sys.executable, str(HERE / "clock_client.py"), world.tenant], env=known, stdout=subprocess.PIPE, text=True
    ) as client:
        wait_until(lambda: open_calls(world) == {"clock.beats"}, SECONDS, "of all calls the one that beats is left")
        host.child.send_signal(signal.SIGKILL)
        host.child.wait()
        host = world.tools("clock_tools", **environments["host"])
        said, _ = client.communicate(timeout=SECONDS)
    ended: list[tuple[str, bool, str]] = json.loads(said)
    plan_ids = [plan_id for plan_id, _, _ in ended[:-1]]
    assert [repeated for _, repeated, _ in ended] == [False] * len(plan_ids) + [True]
    world.await_no_lag("projector")
    effects = world.sql("SELECT key, text FROM tools_clock.entry ORDER BY text, key")
    assert world.sql("SELECT 1 FROM tools_clock_hop.intent") == []
    histories = [committed(world, plan_id) for plan_id in plan_ids]
    forget(world, plan_ids, "clock", "entry")
    for process in (host, coordinator, projector):
        assert process.stop() == 0, process.said()[-2_000:]
    return histories, [text for _, _, text in ended], effects


def open_calls(world: World) -> set[str]:
    """The tools of the calls that run, once all that end by their time have ended: killed before, these would be in doubt."""
    late = world.sql("SELECT 1 FROM motet.plans WHERE tenant = %s AND idempotency_key = 'late'", (world.tenant,))
    open_plans = world.sql(
        "SELECT 1 FROM motet.plans WHERE tenant = %s AND idempotency_key IN ('patient', 'late') AND status = 'OPEN'",
        (world.tenant,),
    )
    if not late or open_plans:
        return set()
    running = world.sql("SELECT DISTINCT tool FROM tools_clock_hop.intent JOIN motet.calls USING (plan_id, index)")
    return {tool for (tool,) in running}


def test_clocks_that_jump_change_no_outcome(world: World) -> None:
    """An hour and two days, forward and back: deadlines, waits, approvals, heartbeats, intents and windows end as without."""
    histories, texts, effects = run(world, {})
    clocks = {name: Clock(world.directory / f"{name}.clock") for name in NAMES}
    with jumping(list(clocks.values())):
        jumped = run(world, clocks)
    assert jumped[1] == texts
    assert jumped[2] == effects
    assert jumped[0] == histories
    for code in ("DEADLINE", "APPROVAL_EXPIRED"):
        assert any(code in text for text in texts), texts
    # Nobody's clock dragged the others along, and causes are before effects.
    ((ahead, count),) = world.sql(
        "SELECT max(abs(ahead_seconds)), count(*) FROM motet.events WHERE tenant = %s", (world.tenant,)
    )
    assert count > 40
    assert ahead < 10
    order = 'SELECT plan_id, type, "offset" FROM motet.events WHERE tenant = %s ORDER BY partition, {}'
    assert world.sql(order.format("hlc"), (world.tenant,)) == world.sql(order.format('"offset"'), (world.tenant,))
