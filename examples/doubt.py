"""Three calls whose answer is lost after the effect: what follows is a matter of what can be known, and only the letter needs a person."""

from motet import Call, Client
from motet.records import AttemptsEnded

with Client(tenant="acme", domain="doubt", agent="ada") as client:
    events = client.events(domain="doubt")
    plan = client.submit(
        [
            Call("shop.charge", {"account": "Ada", "amount": 30, "trouble": "mute"}, id="charge"),
            Call("shop.pay", {"supplier": "Grace", "amount": 30, "trouble": "mute"}, id="payment"),
            Call("shop.letter", {"address": "Ada", "text": "Thank you.", "trouble": "mute"}, id="letter"),
        ]
    )
    follows: dict[str, str] = {}
    for event in events:
        if isinstance(event.record, AttemptsEnded):
            for ended in event.record.attempts:
                follows.setdefault(("charge", "payment", "letter")[ended.index], ended.next)
        if len(follows) == 3:
            break
    print(sorted(follows.items()))
    # Somebody asked Ada: the letter is there.
    client.direct.settle(plan.plan_id, "letter", "happened", "sent", reason="Ada has it")
    for call in plan.wait().results:
        print(call.call_id, call.status, call.value)
