"""A plan that fails is undone, the last call first; or it goes on as far as it can; or it stops where it is."""

from motet import Call, Client, Policy
from motet.records import CompensationEnded, CompensationStarted

calls = [
    Call("shop.reserve", {"item": "lamp"}, id="reserve"),
    Call("shop.charge", {"account": "Ada", "amount": 30}, id="charge", after=["reserve"]),
    Call("shop.quote", {"supplier": "none"}, id="quote", after=["charge"]),
    Call("shop.pack", {"parcels": 1}, id="pack", after=["quote"]),
]
with Client(tenant="acme", domain="saga") as client:
    events = client.events(domain="saga")
    undone = client.run(calls, policy=Policy(on_failure="compensate"))
    print(undone.status, [call.error_code or call.status for call in undone.results])
    for event in events:
        if isinstance(event.record, CompensationStarted):
            print(calls[event.record.index].id, "is undone by", event.record.tool)
        if isinstance(event.record, CompensationEnded) and not event.record.remaining:
            break
    for way in ("continue", "stop"):
        ended = client.run(calls, policy=Policy(on_failure=way))
        print(way, ended.status, [call.error_code or call.status for call in ended.results])
