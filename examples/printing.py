"""Two domains share a printer: their plans take it in turns, and a plan that cannot get it says so in time."""

from motet import Call, Client
from motet.client import PlanLeases


def page(folder: str, words: str) -> Call:
    """A page of a folder, on the printer in the hall."""
    return Call("office.print_page", {"printer": "hall", "folder": folder, "words": words})


with Client(tenant="acme", domain="front-office") as client:
    caretaker = client.leases.of(scope="shared", holder="caretaker")
    cleaning = caretaker.acquire(["printer:hall"], duration_seconds=60, wait_seconds=30)
    waits = [
        client.submit([page("a", "one"), page("b", "two")], domain=domain) for domain in ("front-office", "back-office")
    ]
    short = client.run([page("c", "three")], leases=PlanLeases(wait_seconds=0.5))
    print("not in time:", short.status, short.results[0].error_code)
    caretaker.release(cleaning)
    print("printed:", *(one.wait().status for one in waits))
    # Any plan may take a lease of its own, whatever its tools say.
    key = PlanLeases(["shared/key"], seconds=10)
    print("with a key:", client.run([page("d", "four")], leases=key).status)
