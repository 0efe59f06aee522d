"""Submits a plan from Python, waits for its end, and reads its events. `motet up --tools examples/greeting_tools.py` first."""

from motet import Call, Client

with Client(tenant="acme", domain="greetings", agent="example") as client:
    ended = client.run(
        [
            Call("greeting.greet", {"name": "Ada"}, id="ada"),
            Call("greeting.greet", {"name": "Grace"}, id="grace"),
            Call("greeting.shout", {"text": {"$result": {"call": "ada", "pointer": "/greeting"}}}, id="loud"),
        ]
    )
    print(ended.status, [call.value for call in ended.results])
    for event in client.events(plan_id=ended.plan_id, follow=False):
        print(event.type, event.partition, event.offset)
