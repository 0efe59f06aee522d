"""A wire waits for a person, who decides about exactly its arguments; its sibling runs on."""

from motet import Call, Client
from motet.client import Refused
from motet.records import ApprovalRequested

with Client(tenant="acme", domain="approval", agent="agent 7") as client:
    events = client.events(domain="approval")
    plan = client.submit(
        [
            Call("shop.wire", {"account": "Grace", "amount": 5_000}, id="wire"),
            # This call needs a person whatever its contract says, and nobody comes.
            Call("shop.reserve", {"item": "vault"}, id="vault", approval=True, approval_seconds=2),
            Call("shop.quote", {"supplier": "Grace"}, id="quote"),
        ]
    )
    asked = next(event.record for event in events if isinstance(event.record, ApprovalRequested))
    print(asked.call_id, asked.arguments)
    with Client(tenant="acme", domain="approval", agent="ada") as person:
        try:
            person.direct.approve(plan.plan_id, "wire", "0" * 64)
        except Refused as refused:
            print("other arguments:", refused.reasons[0].code)
        decided = person.direct.approve(plan.plan_id, "wire", asked.arguments_sha256, reason="known supplier")
    print("decided by", decided.agent)
    print([call.error_code or call.status for call in plan.wait().results])
