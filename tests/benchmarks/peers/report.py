"""A run as tables for people, and as the page docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.peers.counting import Counts
from benchmarks.peers.machine import QUIET
from benchmarks.peers.work import SHAPES

NOTHING: Final = "n/a"
OTHERS: Final = ("one", "wide", "hot", "zipf", "slow")
TITLES: Final = {shape.name: shape.title for shape in SHAPES}
Document = Mapping[str, Any]
INTRODUCTION: Final = """\
# Motet beside others

The same work through Motet and through others, one after another in one run on one machine. Written by `make bench-peers ARGS="--page"`; the
figures are those of that run alone, and a run on another day differs.

**The work.** A plan of 8 tool calls. Each call writes one row under its own key, as one transaction in the same PostgreSQL, and returns the
key; the plan's results come back in the order of its calls. One client process submits, and as many plans as a column says are in flight:
when one ends, the next one is submitted. The first fifth of each run is not measured. Latency is from submitting a plan to having its results.

**Counted, not promised.** After each run the rows in PostgreSQL and the results that the client got are compared with the plans. The table of
rows has no unique key, so that an effect that happened twice is seen: an author of tools who makes each insert idempotent by its key sees no
duplicates anywhere. A *lost* result is one that had not come a minute after the run.
"""
REPEAT: Final = """\
## Repeat it

    make bench-peers
    make bench-peers ARGS="--peers motet,dbos --shapes single,killed --seconds 30"
    make bench-peers ARGS="--json"
    make bench-peers ARGS="--page"

The first run downloads the others into `build/peers`, at the versions in `tests/benchmarks/peers/install.py`, from the package registries of
Python, npm, Go and Debian; what cannot be installed is named with its reason, and the others run. Each system runs in processes of its own,
with an empty PostgreSQL of its own (`fsync` on, the settings of `services/motet/platform/servers.py`), and stops before the next one starts.
How each one runs a plan is one file: `tests/benchmarks/peers/NAME_peer.py`. Corrections by those who know a system better are welcome.
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A title, columns, and rows as text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(document: Document) -> list[Table]:
    """All tables of a run; one whose shapes did not run has no rows and is left out."""
    found = [speed(document), others(document), counted(document), killed(document), floors(document)]
    return [table for table in found if table.rows]


def shape_of(peer: Document, name: str) -> Document | None:
    """A peer's figures of one shape."""
    return next((one for one in peer["shapes"] if one["shape"] == name), None)


def number(shape: Document | None, field: str, form: str = ",.0f") -> str:
    """One figure as text."""
    value = None if shape is None else shape[field]
    return NOTHING if value is None else format(value, form)


def speed(document: Document) -> Table:
    """The main shapes."""
    rows = []
    for peer in document["peers"]:
        single, flight, saturated = (shape_of(peer, name) for name in ("single", "flight", "saturated"))
        if single is None and flight is None and saturated is None:
            continue
        rows.append(
            [
                peer["about"]["title"],
                number(single, "p50_ms", ",.1f"),
                number(single, "p99_ms", ",.1f"),
                number(flight, "calls_per_second"),
                number(flight, "p50_ms"),
                number(flight, "p99_ms"),
                number(saturated, "calls_per_second"),
                number(saturated, "in_flight"),
                number(saturated, "processor_ms_per_call", ".2f"),
                percent(max(one["others_share"] for one in (single, flight, saturated) if one)),
            ]
        )
    further = ["saturated: calls/s", "plans in flight", "processor ms a call", "cores that others used, at most"]
    columns = ["one at a time: p50 ms", "p99 ms", "32 in flight: calls/s", "p50 ms", "p99 ms"]
    return Table("Speed, plans of 8 calls", ["system", *columns, *further], rows)


def others(document: Document) -> Table:
    """The other shapes: calls a second, and the 99th percentile of a plan."""
    have = [name for name in OTHERS if any(shape_of(peer, name) for peer in document["peers"])]
    rows = []
    for peer in document["peers"] if have else ():
        shapes = [shape_of(peer, name) for name in have]
        cells = [f"{number(one, 'calls_per_second')} / {number(one, 'p99_ms')}" if one else NOTHING for one in shapes]
        rows.append([peer["about"]["title"], *cells])
    return Table("Other shapes: calls/s / p99 ms of a plan", ["system", *(TITLES[name] for name in have)], rows)


def total(shapes: Iterable[Document]) -> dict[str, int]:
    """Counts of several shapes together."""
    every = [one["counts"] for one in shapes]
    return {field.name: sum(counts[field.name] for counts in every) for field in fields(Counts)}


def counts_as_text(counts: Mapping[str, int]) -> list[str]:
    """Cells, in the order of `Counts`."""
    return [format(counts[field.name], ",") for field in fields(Counts)]


COUNTED: Final = ("calls", "duplicates", "rows lost", "results lost", "strange results", "results out of order")


def counted(document: Document) -> Table:
    """What was wrong while nobody was killed."""
    rows = []
    for peer in document["peers"]:
        shapes = [one for one in peer["shapes"] if one["shape"] != "killed"]
        if shapes:
            rows.append([peer["about"]["title"], *counts_as_text(total(shapes))])
    columns = ["system", *COUNTED, "entries on one account out of call order"]
    return Table("Counted, nobody killed, all shapes together", columns, rows)


def killed(document: Document) -> Table:
    """What was wrong when a worker was killed."""
    rows = []
    for peer in document["peers"]:
        shape = shape_of(peer, "killed")
        if shape is not None:
            counts = counts_as_text(shape["counts"])[:-1]
            rows.append([peer["about"]["title"], *counts, number(shape, "longest_pause_seconds", ",.1f")])
    columns = ["system", *COUNTED, "longest time without an end, s"]
    return Table(
        "Counted, a worker killed with SIGKILL in mid-run and started again, 32 plans in flight", columns, rows
    )


def floors(document: Document) -> Table:
    """What the servers can do."""
    known = document.get("floors") or {}
    names = {
        "hop_records_per_second": "one bare exactly-once hop through Motet's chassis, records/s",
        "producer_records_per_second": "kafka-producer-perf-test, 300-byte records, acks=all, idempotent, records/s",
    }
    rows = [[title, format(known[name], ",")] for name, title in names.items() if name in known]
    return Table("Floors", ["floor", "figure"], rows)


def show(document: Document, console: Console) -> None:
    """For people."""
    for table in tables(document):
        drawn = RichTable(title=table.title, title_justify="left")
        for index, column in enumerate(table.columns):
            drawn.add_column(column, justify="right" if index else "left")
        for row in table.rows:
            drawn.add_row(*row)
        console.print(drawn)
    for name, reason in document["failed"].items():
        console.print(f"{name} did not run: {reason}", markup=False, highlight=False)


def page(document: Document) -> str:
    """The page."""
    machine = document["machine"]
    parts = [INTRODUCTION]
    parts += [f"## {table.title}\n\n{markdown(table)}" for table in tables(document)]
    parts += [reading(document)] if reading(document) else []
    if document["failed"]:
        reasons = "".join(f"- {name}: {reason}\n" for name, reason in document["failed"].items())
        parts.append(f"## Did not run\n\n{reasons}")
    parts.append(
        "## Machine\n\n"
        f"{document['date']}. {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}. Flushing one block to disk took {machine['flush_ms']:g} ms (median). Each shape was measured for "
        f"{document['seconds']:g} s. Everything, client and servers, shared these cores. "
        f"{company(document)}\n"
    )
    parts.append(f"## Settings and versions\n\n{settings(document)}")
    parts.append(REPEAT)
    return "\n".join(parts)


def company(document: Document) -> str:
    """How busy others kept the machine, from the best of all shapes to the worst, and what that means for the figures."""
    # A killed worker takes with it what it used, which then seems to be others'.
    shapes = [shape for peer in document["peers"] for shape in peer["shapes"] if shape["shape"] != "killed"]
    shares = [shape["others_share"] for shape in shapes] or [0.0]
    told = f"While they were measured, other processes of the machine used {percent(min(shares))} to {percent(max(shares))} of them."
    if max(shares) <= QUIET:
        return told
    return (
        f"{told} So this run had company: every speed is lower than on a quiet machine, and not all by the same factor. The processor time "
        "of a call, client and servers together, depends on that much less; divide 1,000 ms times the cores by it for what they could carry "
        "at best. What is counted does not depend on it."
    )


def percent(share: float) -> str:
    """A share as text."""
    return f"{share * 100:.0f} %"


def markdown(table: Table) -> str:
    """A table in Markdown."""
    lines = [table.columns, ["---", *(["--:"] * (len(table.columns) - 1))], *table.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def settings(document: Document) -> str:
    """How each system ran."""
    out = []
    for peer in document["peers"]:
        about = peer["about"]
        versions = ", ".join(f"{name} {version}" for name, version in peer["versions"].items())
        lines = [f"API: {about['api']}", f"effects when a worker dies: {about['effects']}", f"versions: {versions}"]
        lines += [f"{name}: {value}" for name, value in about["settings"].items()]
        out.append(f"**{about['title']}**\n\n" + "".join(f"- {line}\n" for line in lines))
    return "\n".join(out)


def reading(document: Document) -> str:
    """What the figures say of Motet and the fastest of the others, whichever way; nothing if one of them is missing."""
    own = next((peer for peer in document["peers"] if peer["name"] == "motet"), None)
    rivals = [peer for peer in document["peers"] if peer["name"] not in {"motet", "psycopg"}]
    lines = []
    for name, field, best, unit in (
        ("single", "p50_ms", min, "ms (p50)"),
        ("flight", "calls_per_second", max, "calls/s"),
        ("saturated", "calls_per_second", max, "calls/s"),
    ):
        found = [(shape[field], peer["about"]["title"]) for peer in rivals if (shape := shape_of(peer, name))]
        known = [(value, title) for value, title in found if value is not None]
        mine = shape_of(own, name) if own is not None else None
        if mine is None or mine[field] is None or not known:
            continue
        value, title = best(known)
        ratio = mine[field] / value
        lines.append(
            f"- {TITLES[name]}: Motet {mine[field]:,.1f} {unit}, the best of the others {value:,.1f} ({title}); ratio {ratio:.2f}\n"
        )
    return f"## Motet and the best of the others\n\n{''.join(lines)}" if lines else ""
