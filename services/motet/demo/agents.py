"""Agents: each submits its next plan when its last one has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from motet.client import Client, Outcome
from motet.records import SubmitPlan

PLAN_SECONDS = 180.0


def converse(client: Client, plans: Iterable[SubmitPlan], ended: Callable[[], None]) -> list[Outcome]:
    """One agent's plans, one after another; returns their outcomes. A plan without calls is nothing to do."""
    outcomes = []
    for plan in plans:
        if plan.calls:
            outcomes.append(client.submit_command(plan).wait(PLAN_SECONDS))
        else:
            outcomes.append(Outcome("", "SUCCEEDED", (), (), None, repeated=False))
        ended()
    return outcomes


def run_all(
    client: Client, conversations: Sequence[Sequence[SubmitPlan]], ended: Callable[[], None]
) -> list[list[Outcome]]:
    """All agents at once, a thread each; returns their outcomes in the order given. The first error, or Ctrl-C, ends it."""
    threads = ThreadPoolExecutor(len(conversations), thread_name_prefix="agent")
    try:
        running = [threads.submit(converse, client, plans, ended) for plans in conversations]
        for one in as_completed(running):
            one.result()
        return [one.result() for one in running]
    finally:
        # Agents that still wait are not waited for: closing the client ends them.
        threads.shutdown(wait=False, cancel_futures=True)
