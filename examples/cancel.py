"""After the barrier no call starts; the running one is told, and its end is recorded."""

from motet import Call, Client
from motet.records import AttemptsEnded, CallsProgressed

with Client(tenant="acme", domain="cancel", agent="ada") as client:
    events = client.events(domain="cancel")
    plan = client.submit(
        [Call("shop.pack", {"parcels": 50}, id="pack"), Call("shop.reserve", {"item": "box"}, id="box", after=["pack"])]
    )
    next(event for event in events if isinstance(event.record, CallsProgressed))
    barrier = client.direct.cancel(plan.plan_id, reason="the customer called")
    print("not started:", barrier.not_started, "running:", barrier.running)
    ended = plan.wait()
    print(ended.status, [call.error_code for call in ended.results])
    late = next(event.record for event in events if isinstance(event.record, AttemptsEnded)).attempts[0]
    print("the running one then ended:", late.outcome)
