"""Attempts, a long call that says how far it is, and a circuit breaker."""

from motet import Call, Client, Policy
from motet.records import BreakerChanged, CallsProgressed

with Client(tenant="acme", domain="retries") as client:
    moody = client.run(
        [
            Call("shop.quote", {"supplier": "moody"}),
            # 503 with Retry-After: 1, then an answer.
            Call("shop.charge", {"account": "Ada", "amount": 5, "trouble": "busy"}),
        ]
    )
    print(moody.status, [call.status for call in moody.results])

    events = client.events(domain="retries")
    plan = client.submit([Call("shop.pack", {"parcels": 6})])
    said = next(event.record for event in events if isinstance(event.record, CallsProgressed))
    print("while it runs:", said.calls[0].progress)
    print(plan.wait().results[0].value)

    # One after another: two fail, and the third is not even tried.
    parcels = [
        Call("shop.courier", {"parcel": f"p{number}", "trouble": "down"}, id=f"p{number}", after=[f"p{number - 1}"])
        for number in range(3)
    ]
    parcels[0] = Call("shop.courier", {"parcel": "p0", "trouble": "down"}, id="p0")
    down = client.run(parcels, policy=Policy(on_failure="continue"))
    print([call.error_code for call in down.results])
    opened = next(event.record for event in events if isinstance(event.record, BreakerChanged))
    print("the breaker of", opened.tool, "is", opened.state)
