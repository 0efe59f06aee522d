"""A thousand lines are cleaned in parallel, four plans of 250; 95 % of each must be good; what comes out is the same at every run.

`motet up --tools examples/data_preparation/tools.py` first. A plan has 256 calls at most (`MOTET_PLAN_CALLS`), so a chunk is a plan.
"""

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

from motet import Call, Client, Policy
from motet.client import CallOutcome

CHUNKS, CHUNK = 4, 250
PERCENT = 95
NAMES = ("ada lovelace", "GRACE HOPPER", "Edsger Dijkstra", " barbara LISKOV", "alan turing ")
# Each run stores under a name of its own what every other run stored.
NAME = f"sales-{uuid.uuid4().hex[:8]}"


def written(number: int) -> str:
    """A line as it arrives: dates and amounts as two countries write them, and every 25th line is broken."""
    customer, day, cents = NAMES[number % 5], number % 28 + 1, number * 7_919 % 500_000 + 1
    amount = f"{cents / 100:,.2f}"
    if number % 25 == 7:
        return f"{customer};31.02.2026;{amount}" if number % 2 else f"{customer};2026-11-{day:02};n/a"
    if number % 3:
        return f"{customer};{day}.11.2026;{amount.translate(str.maketrans(',.', '.,'))}"
    return f"{customer};2026-11-{day:02};{amount}"


def enough(lines: Sequence[str]) -> Policy:
    """A plan is done when so many of its calls succeeded, and it fails as soon as so many cannot."""
    return Policy(batch="quorum", quorum=-(-len(lines) * PERCENT // 100))


def cleaning(lines: Sequence[str]) -> list[Call]:
    """One call a line."""
    return [Call("preparation.clean", {"line": line}) for line in lines]


def left_over(results: Sequence[CallOutcome]) -> list[int]:
    """The places of lines for which a plan did not wait, because it was decided without them."""
    return [place for place, one in enumerate(results) if one.error_code == "QUORUM_DECIDED"]


def joined(chunks: Sequence[Sequence[Any]]) -> list[Call]:
    """Stores each chunk, and then publishes what they say of themselves."""
    stores = [
        Call("preparation.store", {"name": NAME, "chunk": number, "rows": rows}, id=f"chunk{number}")
        for number, rows in enumerate(chunks)
    ]
    parts = [{"$result": {"call": one.id}} for one in stores]
    return [*stores, Call("preparation.publish", {"name": NAME, "chunks": parts}, id="publish")]


lines = [written(number) for number in range(CHUNKS * CHUNK)]
chunks = [lines[first : first + CHUNK] for first in range(0, len(lines), CHUNK)]
with Client(tenant="acme", domain="preparation", agent="data agent") as client:
    plans = [client.submit(cleaning(chunk), policy=enough(chunk)) for chunk in chunks]
    ends = [plan.wait(120) for plan in plans]
    print(f"{len(lines):,} lines in {len(plans)} plans: {dict(Counter(ended.status for ended in ends))}")
    # A plan's results are in the order of its calls, whichever came first.
    results = [list(ended.results) for ended in ends]

    # Which lines a quorum leaves is chance; that none is lost is not: they are a plan of their own, which waits for all of them.
    rest = [(chunk, place) for chunk, found in enumerate(results) for place in left_over(found)]
    if rest:
        late = client.run(cleaning([chunks[chunk][place] for chunk, place in rest])).results
        for (chunk, place), one in zip(rest, late, strict=True):
            results[chunk][place] = one
    told = Counter(one.error_code or one.status for found in results for one in found)
    print("each line has one end:", dict(sorted(told.items())))

    good = [[one.value for one in found if one.status == "SUCCEEDED"] for found in results]
    whole = client.run(joined(good)).results[-1].value
    print(f"published as {NAME}: {whole['sales']} sales, {whole['cents'] / 100:,.2f} in all")
    print("sha256", whole["sha256"])

    # Of a source that sends rubbish two lines of three are bad. Its plan fails once it cannot be good any more; the rest is not tried.
    bad = [written(number * 25 + 7 if number % 3 else number) for number in range(CHUNK)]
    returned = client.run(cleaning(bad), policy=enough(bad))
    tried = CHUNK - len(left_over(returned.results))
    print(f"a bad chunk: {returned.status}, {'most of it not tried' if tried < CHUNK // 2 else f'{tried} lines tried'}")
