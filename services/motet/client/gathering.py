"""Parallel calls from `async` Python: `asyncio.gather` for tools, as one plan."""

from __future__ import annotations

import asyncio
from typing import Any

from motet.chassis.errors import MotetError
from motet.client.client import Client, timed_out
from motet.client.outcome import Outcome
from motet.client.plans import Call
from motet.client.sending import SubmitFailed


class PlanFailed(MotetError):
    """A plan did not succeed. `outcome` has every call's end; nobody tries again but whoever asked, under a new key."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(f"plan {outcome.plan_id} ended {outcome.status}: {why(outcome)}")


def why(outcome: Outcome) -> str:
    """The first thing that went wrong."""
    if outcome.reasons:
        return "; ".join(f"{one.code}: {one.message}" for one in outcome.reasons)
    for one in outcome.results:
        if one.error_code is not None:
            return f"{one.call_id} ({one.tool}): {one.error_code}: {one.error_message}"
    return "none of its calls says why"


async def ended(
    client: Client, *calls: Call, key: str | None = None, timeout_seconds: float | None = 60.0, **options: Any
) -> Outcome:
    """Submits calls as one plan and awaits its end, without a thread of its own while it waits; the options are those of `Client.submit`.

    A task that is cancelled leaves its plan, which is in the log and goes on: the same key tells how it ended. Raises PlanTimeout, SubmitFailed.
    """
    submitted = await asyncio.to_thread(client.submit, calls, idempotency_key=key, **options)
    # Shielded: a future that is cancelled would be the client's own, which others may wait for.
    waiting = asyncio.shield(asyncio.wrap_future(submitted.future))
    try:
        return await asyncio.wait_for(waiting, timeout_seconds)
    except TimeoutError as error:
        raise timed_out(submitted.plan_id, timeout_seconds) from error
    except asyncio.CancelledError as error:
        if submitted.future.cancelled():
            # Nobody cancelled who waits here.
            raise SubmitFailed(
                f"the client was closed before plan {submitted.plan_id} ended; the plan goes on"
            ) from error
        raise


async def gather(
    client: Client, *calls: Call, key: str | None = None, timeout_seconds: float | None = 60.0, **options: Any
) -> list[Any]:
    """The results of calls, in the order in which they are written here, whoever ended first.

        balance, rates = await motet.gather(client, Call("bank.look", {"account": "1"}), Call("market.rates"), key="report/7")

    Calls that share a resource take turns, the others run at once; each effect happens once, also if this process dies and asks again under
    the same key. Raises PlanFailed, with the outcome, unless every call succeeded; PlanTimeout, SubmitFailed as `ended`.
    """
    outcome = await ended(client, *calls, key=key, timeout_seconds=timeout_seconds, **options)
    if outcome.status != "SUCCEEDED" or any(one.status != "SUCCEEDED" for one in outcome.results):
        raise PlanFailed(outcome)
    return [one.value for one in outcome.results]
