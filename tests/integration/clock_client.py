"""A client in a process of its own, whose clock is its own: submits plans, waits for them, and prints their ends as JSON."""

from __future__ import annotations

import json
import sys

from motet.client import Call, Client, Policy


def main() -> None:
    """The plans; and the first one again, under its key."""
    tenant = sys.argv[1]
    plans = {
        "enter": [Call("clock.enter", {"book": "a", "text": text}) for text in "xyz"],
        "flaky": [Call("clock.flaky"), Call("clock.enter", {"book": "a", "text": "after"}, after=["c0"])],
        "patient": [Call("clock.patient"), Call("clock.enter", {"book": "b", "text": "beside"})],
        "late": [Call("clock.patient"), Call("clock.enter", {"book": "c", "text": "behind"}, after=["c0"])],
        "beats": [Call("clock.beats")],
        "ask": [Call("clock.ask"), Call("clock.enter", {"book": "d", "text": "beside"})],
    }
    policies = {"late": Policy(deadline_seconds=0.8, batch="fail_fast")}
    with Client(tenant=tenant, domain="main") as client:
        sent = [
            client.submit(calls, idempotency_key=name, policy=policies.get(name), domain=name)
            for name, calls in plans.items()
        ]
        ended = [one.wait(60.0) for one in sent]
        again = client.submit(plans["enter"], idempotency_key="enter", domain="enter").wait(60.0)
        ended.append(again)
        sys.stdout.write(json.dumps([[one.plan_id, one.repeated, one.text] for one in ended]))


if __name__ == "__main__":
    main()
