"""The same command again gets the first answer, the same key with other content is refused, two equal calls of a plan are two calls."""

from motet import Call, Client

twice = [Call("shop.charge", {"account": "Ada", "amount": 5}), Call("shop.charge", {"account": "Ada", "amount": 5})]
with Client(tenant="acme", domain="keys") as client:
    first = client.run(twice, idempotency_key="order 7")
    again = client.run(twice, idempotency_key="order 7")
    other = client.run(twice[:1], idempotency_key="order 7")
    print(first.status, "with", len({call.value["receipt"] for call in first.results}), "receipts")
    print(again.status, "again" if again.repeated else "anew", again.results == first.results)
    print(other.status, other.reasons[0].code)
