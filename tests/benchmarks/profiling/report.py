"""A profile as text: for a terminal, and as the page in docs/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

HEAD: Final = """# Where the time of a call goes

Written by `make bench-profile ARGS="--page"`: {plans:,} plans of 8 transactional calls, each call one row, 1,000 plans in flight, on one machine with
Kafka, PostgreSQL and the client beside the services. The figures are those of that run alone.

{calls:,.0f} calls/s; a call took {total:,.0f} µs of processor time, of which there are {cores} s a second.

| process | µs a call | share |
| --- | --: | --: |
"""
GRAPHS: Final = """
## Flame graphs

py-spy looked at each service {rate} while the same load went on; open one in a browser and search in it. What waits for PostgreSQL stands
there too (`Connection.wait`): py-spy cannot tell it from work.

"""
TAIL: Final = """
## Machine

{date}. {processor}, {cores} cores, {memory_gib} GiB, {system}, Python {python}, deciders {compiled}. Flushing one block to disk took {flush_ms} ms (median).
"""


def rows(document: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Processes by what they use for a call, the most first: name, µs, share of all."""
    used: Mapping[str, float] = document["microseconds_a_call"]
    total = sum(used.values())
    ordered = sorted(used.items(), key=lambda one: (-one[1], one[0]))
    return [(name, value, value / total if total else 0.0) for name, value in ordered]


def told(document: Mapping[str, Any]) -> str:
    """For a terminal."""
    lines = [f"{document['calls_per_second']:,.0f} calls/s", ""]
    lines += [f"{name:<14}{value:>8.1f} µs a call {share:>6.1%}" for name, value, share in rows(document)]
    return "\n".join([*lines, ""])


def page(document: Mapping[str, Any], services: Sequence[str]) -> str:
    """The page."""
    machine: Mapping[str, Any] = document["machine"]
    whole = rows(document)
    text = HEAD.format(
        plans=document["calls"] // 8,
        calls=document["calls_per_second"],
        total=sum(value for _, value, _ in whole),
        cores=machine["cores"],
    )
    text += "".join(f"| {name} | {value:.1f} | {share:.1%} |\n" for name, value, share in whole)
    text += GRAPHS.format(rate="200 times a second")
    text += "".join(f"- [{name}](profile/{name}.svg)\n" for name in services)
    compiled = "compiled" if document["compiled"] else "interpreted"
    return text + TAIL.format(date=datetime.now(UTC).strftime("%-d %B %Y"), **{**machine, "compiled": compiled})
