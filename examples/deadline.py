"""A plan ends by its deadline, whatever still runs. The time that counts is in the log, as records of motet.timers."""

from motet import Call, Client, Policy

with Client(tenant="acme", domain="deadline") as client:
    ended = client.run(
        [Call("shop.pack", {"parcels": 50}, id="pack"), Call("shop.quote", {"supplier": "Grace"}, id="quote")],
        policy=Policy(deadline_seconds=1),
    )
    print(ended.status, [call.error_code or call.status for call in ended.results])
