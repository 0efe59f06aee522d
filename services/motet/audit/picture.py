"""A page of an audit: what was checked, and each finding drawn in its neighbourhood. One file, no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final

from motet.audit.finding import Finding
from motet.chassis.errors import Undecodable
from motet.chassis.lanes import stamp_of

if TYPE_CHECKING:
    from motet.audit.reading import Audit
    from motet.chassis.codec import Codec
    from motet.chassis.log_reader import Log
    from motet.chassis.message import Message

# Findings that are drawn, and records that are shown on each side of one.
DRAWN: Final = 50
AROUND: Final = 4
# Records of a plan that are shown.
PLAN_RECORDS: Final = 40
WIDTH: Final = 960
ROW: Final = 24
LEFT: Final = 190
TEXT: Final = 690

STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 980px; padding: 0 1rem; color: #1c2128; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 2.2rem 0 .3rem } table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #d8dee4; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums } .bad { color: #b42318; font-weight: 600 } .good { color: #1a7f37 }
code, svg text { font: 12px ui-monospace, monospace } svg { display: block; margin: .6rem 0; max-width: 100%; height: auto }
p { margin: .3rem 0 } .advice { color: #57606a }
"""


def page(found: Audit, log: Log, codec: Codec) -> str:
    """The whole page."""
    rows = "".join(
        f"<tr><td>{escape(one.name)}</td><td class=n>{one.checked:,}</td>"
        f"<td class='n {'bad' if one.violations else 'good'}'>{one.violations:,}</td><td>{escape(one.fact)}</td></tr>"
        for one in found.rules.values()
    )
    first = found.first
    verdict = (
        "<p class=good>Nothing is wrong.</p>"
        if first is None
        else f"<p class=bad>{found.violations:,} violations. The first bad record is <code>{escape(first.where)}</code>.</p>"
    )
    left = "".join(f"<p>Not checked: {escape(one)}.</p>" for one in found.left_out)
    drawn = "".join(section(one, log, codec) for one in found.findings[:DRAWN])
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Motet audit</title><style>{STYLE}</style><h1>Motet audit</h1>{verdict}"
        f"<p>{found.events:,} events in {found.seconds:.1f} s; open: {found.open_plans:,} plans, {found.open_commands:,} commands.</p>{left}"
        f"<table><tr><th>rule</th><th>checked</th><th>violations</th><th>what holds</th></tr>{rows}</table>{drawn}</html>\n"
    )


def section(finding: Finding, log: Log, codec: Codec) -> str:
    """One finding: what is wrong, its partition around it, its cause, and its plan."""
    place = (finding.topic, finding.partition)
    near = between(log, place, finding.offset - AROUND, finding.offset + AROUND + 1)
    out = f"<h2><span class=bad>{escape(finding.rule)}</span> <code>{escape(finding.where)}</code></h2><p>{escape(finding.said)}</p>"
    out += f"<p class=advice>{escape(finding.advice)}</p>"
    causes = [one for one in near if one.offset == finding.offset] and cause_of(finding, log, codec)
    out += drawing(f"{finding.topic}, partition {finding.partition}", near, finding, codec, causes or [])
    if finding.plan_id:
        records = of_plan(log, codec, finding)
        out += drawing(f"plan {finding.plan_id}", records, finding, codec, [])
    return out


def between(log: Log, place: tuple[str, int], start: int, end: int) -> list[Message]:
    """The records of a partition between two offsets."""
    bounds = log.bounds([place])[place]
    batches = log.read({place: (max(bounds.begin, start), min(bounds.end, end))})
    return [one for batch in batches for one in batch]


def cause_of(finding: Finding, log: Log, codec: Codec) -> list[Message]:
    """The record that a finding's record names as its cause, if it is there."""
    topic, _, rest = finding.cause.partition(":")
    partition, _, offset = rest.partition(":")
    if offset.isdigit() and partition.isdigit():
        if (topic, int(partition)) not in log.places()[1]:
            return []
        return between(log, (topic, int(partition)), int(offset), int(offset) + 1)
    if not finding.cause:
        return []
    return [one for one in partition_of(log, finding) if meta_of(codec, one).get("event_id") == finding.cause][:1]


def of_plan(log: Log, codec: Codec, finding: Finding) -> list[Message]:
    """A plan's events in its partition: those around the finding, if there are many."""
    name = finding.plan_id.encode()
    found = [one for one in partition_of(log, finding) if name in (one.value or b"")]
    found = [one for one in found if content(codec, one)[1].get("plan_id") == finding.plan_id]
    found.sort(key=lambda one: (one.timestamp_ms, one.topic, one.offset))
    at = next((index for index, one in enumerate(found) if is_at(one, finding)), 0)
    start = max(0, min(at - PLAN_RECORDS // 2, len(found) - PLAN_RECORDS))
    return found[start : start + PLAN_RECORDS]


def partition_of(log: Log, finding: Finding) -> list[Message]:
    """Every record of the finding's partition number."""
    places = [place for place in log.places()[1] if place[1] == finding.partition]
    bounds = log.bounds(places)
    return [
        one
        for batch in log.read({place: (bounds[place].begin, bounds[place].end) for place in places})
        for one in batch
    ]


def is_at(message: Message, finding: Finding) -> bool:
    """Whether a message is the finding's record."""
    return (message.topic, message.partition, message.offset) == (finding.topic, finding.partition, finding.offset)


def content(codec: Codec, message: Message) -> tuple[str, dict[str, Any]]:
    """A record's type and content; empty if it has none."""
    try:
        kind, datum = codec.datum(message.value)
    except Undecodable as error:
        return error.code, {}
    return kind.FULL_NAME.rpartition(".")[2], datum


def meta_of(codec: Codec, message: Message) -> dict[str, Any]:
    """A record's meta; empty for a command."""
    found: dict[str, Any] = content(codec, message)[1].get("meta", {})
    return found


def drawing(title: str, records: Sequence[Message], finding: Finding, codec: Codec, causes: Sequence[Message]) -> str:
    """Records as a column of bars in their order, the bad one in red, and an arrow from its cause."""
    rows = [*causes, *records]
    height = ROW * (len(rows) + 1) + 10
    out = [f"<svg viewBox='0 0 {WIDTH} {height}' role=img aria-label='{escape(title, quote=True)}'>"]
    out.append(f"<text x=0 y=14 fill='#57606a'>{escape(title)}</text>")
    at = 0
    for index, one in enumerate(rows):
        y = ROW * (index + 1)
        bad = is_at(one, finding)
        at = y if bad else at
        colour, edge = (
            ("#ffe5e2", "#b42318") if bad else ("#fff4d6", "#9a6700") if index < len(causes) else ("#eef2f6", "#8c959f")
        )
        kind, datum = content(codec, one)
        time = datetime.fromtimestamp(one.timestamp_ms / 1_000, UTC).strftime("%H:%M:%S.%f")[:-3]
        out.append(f"<text x=0 y={y + 16}>{time} {escape(lane_of(one))}</text>")
        out.append(
            f"<rect x={LEFT + 70} y={y + 2} width={TEXT} height={ROW - 4} rx=4 fill='{colour}' stroke='{edge}'/>"
        )
        said = f"{one.topic.removeprefix('motet.')}:{one.offset} {kind} {summary(datum)}"
        out.append(f"<text x={LEFT + 78} y={y + 16}>{escape(said[:94])}</text>")
    if causes and at:
        x = LEFT + 66
        out.append(
            f"<path d='M{x} {ROW + 12} C{x - 26} {ROW + 12} {x - 26} {at + 12} {x} {at + 12}' fill=none stroke='#9a6700' stroke-width=1.5 />"
            f"<path d='M{x} {at + 12} l-7 -4 v8 z' fill='#9a6700'/>"
        )
    out.append("</svg>")
    return "".join(out)


def lane_of(message: Message) -> str:
    """A record's place on its lane, short."""
    stamp = stamp_of(message.headers)
    return "on no lane" if stamp is None else f"{stamp.service[:11]}/{stamp.shard} {stamp.number}"


def summary(datum: dict[str, Any]) -> str:
    """What tells a record of its kind from another."""
    names = ("index", "indexes", "outcome", "decision", "cause", "state", "token", "finding", "remaining")
    parts = [f"{name} {datum[name]}" for name in names if datum.get(name) not in (None, [], "")]
    calls = datum.get("calls") or datum.get("attempts")
    if isinstance(calls, list) and calls and "index" in calls[0]:
        parts.append(
            ", ".join(f"{one['index']} {one.get('outcome') or one.get('mode') or ''}".strip() for one in calls)
        )
    return "; ".join(parts)
