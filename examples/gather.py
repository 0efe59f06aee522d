"""Parallel calls from async Python: results in the order written, each effect once. `motet up --tools examples/greeting_tools.py` first."""

import asyncio

import motet
from motet import Call, Client


async def main(client: Client) -> None:
    """Three calls at once; the same key again runs nothing, and brings the same results."""
    names = ["Ada", "Grace", "Edsger"]
    calls = [Call("greeting.greet", {"name": name}) for name in names]
    for _ in range(2):
        greetings = await motet.gather(client, *calls, key="guests/2026-11-27")
        print([one["greeting"] for one in greetings], [one["times"] for one in greetings])


with Client(tenant="acme", domain="party", agent="host") as found:
    asyncio.run(main(found))
