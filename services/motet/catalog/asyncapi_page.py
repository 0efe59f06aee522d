"""The AsyncAPI document as one HTML page for people: by topic, with the fields and an example of each record.

The page needs nothing but itself: no script, no font, no link to elsewhere. All it says comes from the document, and is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from motet.catalog.generate import PRIMITIVES

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c2330;--soft:#5b6575;--line:#dfe3ea;--paper:#fff;--side:#f6f7f9;--code:#f0f2f5;--link:#0b5cad;
--door:#8a4b00;--doorbg:#fff1dc;--lane:#1c5d3a;--lanebg:#e2f4e9}
@media(prefers-color-scheme:dark){:root{--ink:#dde3ec;--soft:#98a3b3;--line:#303845;--paper:#12161d;--side:#171c25;--code:#1f2631;
--link:#7db8f5;--door:#f2bd7c;--doorbg:#3a2a14;--lane:#86d3a5;--lanebg:#15321f}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;display:grid;grid-template-columns:19rem minmax(0,1fr);background:var(--paper);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
nav{position:sticky;top:0;height:100vh;overflow-y:auto;background:var(--side);border-right:1px solid var(--line);padding:1.2rem 1rem 2rem;
font-size:13.5px}
nav ul{list-style:none;margin:0;padding:0}nav li{margin:.1rem 0}nav>ul>li{margin:.75rem 0 0}
nav ul ul{margin:.15rem 0 0 .1rem;padding-left:.7rem;border-left:1px solid var(--line)}nav ul ul a{color:var(--soft)}
nav>ul>li>a,nav b{font-weight:600;color:var(--ink);overflow-wrap:anywhere}nav b{font-size:1rem}
main{padding:2.2rem clamp(1rem,4vw,3.5rem) 5rem;max-width:70rem}
h1{font-size:2rem;margin:0 0 .4rem;line-height:1.2}h2{font-size:1.4rem;margin:0 0 .3rem}h3{font-size:1.12rem;margin:0 0 .25rem}
h4{font-size:.98rem;margin:1.3rem 0 .2rem}h1,h2,h3,h4{overflow-wrap:anywhere;line-height:1.3}
h2 a,h3 a,h4 a{color:inherit}p{margin:.3rem 0 .8rem;max-width:46rem}small{color:var(--soft);font-weight:400}h3 small,h4 small{font-size:13.5px}
section{margin-top:3rem;padding-top:2rem;border-top:1px solid var(--line)}
article{margin:2rem 0 0;padding-top:.2rem}article:target,.type:target{box-shadow:-.6rem 0 0 var(--paper),-.8rem 0 0 var(--link)}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px}code{overflow-wrap:anywhere}
pre{margin:.5rem 0 0;padding:.9rem 1rem;background:var(--code);border-radius:6px;overflow-x:auto}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.25rem 1.2rem;margin:.9rem 0 0}dt{color:var(--soft)}dd{margin:0}
table{width:100%;border-collapse:collapse;margin:.6rem 0 0}th,td{text-align:left;vertical-align:top;padding:.42rem .9rem .42rem 0;
border-bottom:1px solid var(--line)}th{font-weight:600;font-size:13px;color:var(--soft)}td:last-child,th:last-child{padding-right:0}
table{table-layout:fixed;overflow-wrap:anywhere}.of-4 th:nth-child(1){width:24%}.of-4 th:nth-child(2){width:22%}.of-4 th:nth-child(4){width:15%}
.of-3 th:first-child{width:18%}td:first-child{font-weight:600}#services td a{white-space:nowrap}
.badge{display:inline-block;padding:.05rem .5rem;border-radius:1rem;font-size:12.5px;font-weight:600;background:var(--lanebg);color:var(--lane);
vertical-align:.15rem;margin-left:.5rem}.badge.door{background:var(--doorbg);color:var(--door)}
details{margin:.8rem 0 0}summary{cursor:pointer;color:var(--link);width:max-content}
@media(max-width:820px){body{display:block}nav{position:static;height:auto;max-height:none;border-right:0;border-bottom:1px solid var(--line);
padding:1rem}nav ul ul{display:none}nav>ul{display:flex;flex-wrap:wrap;gap:.35rem .9rem;margin-top:.5rem}nav>ul>li{margin:0}main{padding-top:1.4rem}
nav>ul>li>a{font-weight:400;color:var(--link)}section{margin-top:2.2rem;padding-top:1.5rem}
table,tbody,tr,td{display:block;width:100%}thead{display:none}tr{padding:.5rem 0;border-bottom:1px solid var(--line)}td{border:0;padding:.05rem 0}
td:not(:first-child):not([data-is=meaning]):not(:empty)::before{content:attr(data-is) ": ";color:var(--soft);font-size:13px}}
@media print{nav{display:none}body{display:block}}
"""
FOREVER: Final = -1
MILLISECONDS_A_DAY: Final = 86_400_000

Anchors = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Topic:
    """A channel of the document with both of its ends."""

    anchor: str
    channel: dict[str, Any]
    senders: tuple[str, ...]
    receivers: tuple[str, ...]

    @property
    def address(self) -> str:
        """The topic's name."""
        return str(self.channel["address"])

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Its records, in the order of the topics file."""
        return list(self.channel["messages"].values())

    @property
    def headers(self) -> str:
        """The name of what describes its records' headers."""
        return str(self.messages[0]["headers"]["$ref"].rpartition("/")[2])

    def place(self, message: dict[str, Any]) -> str:
        """A record's anchor, with its topic in front: a record may be on several."""
        return f"{self.anchor}/{message['title']}"


@dataclass(frozen=True, slots=True)
class Named:
    """A record or an enum with a name of its own, and the namespace in which its fields' types are named."""

    full_name: str
    schema: dict[str, Any]
    namespace: str


def page(document: dict[str, Any]) -> str:
    """The page's text."""
    info, topics, schemas = document["info"], topics_of(document), document["components"]["schemas"]
    shared = shared_types(topics)
    anchors = {one.full_name: f"types/{one.full_name}" for one in shared}
    hosts = [one["host"] for one in document["servers"].values() if "variables" not in one]
    body = [
        f"<h1>{text(info['title'])} <small>{text(info['version'])}</small></h1><p>{text(info['description'])}</p>",
        f"<p>Kafka: {', '.join(code(host) for host in hosts)}</p>" if hosts else "",
        ends(topics),
        *(section(topic, schemas[topic.headers]["properties"], anchors) for topic in topics),
        '<section id="types"><h2>Types</h2><p>What several records have in them.</p>',
        *(definition(one, anchors) for one in shared),
        "</section>",
        headers(schemas),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(info['title'])}: topics</title><style>{STYLE}</style></head>\n"
        f"<body>{index(info['title'], topics)}\n<main>{''.join(body)}</main></body></html>\n"
    )


def topics_of(document: dict[str, Any]) -> list[Topic]:
    """The channels with their ends, which the document has in its operations."""
    found: dict[tuple[str, str], list[str]] = {}
    for operation in document["operations"].values():
        anchor = operation["channel"]["$ref"].removeprefix("#/channels/")
        found.setdefault((anchor, operation["action"]), []).extend(one["name"] for one in operation["tags"])
    return [
        Topic(anchor, channel, tuple(found.get((anchor, "send"), ())), tuple(found.get((anchor, "receive"), ())))
        for anchor, channel in document["channels"].items()
    ]


# -- types ---------------------------------------------------------------------------------------------------------------------


def named_types(schema: Any, namespace: str = "") -> Iterator[Named]:
    """Everything in a schema that has a name, from the outside in."""
    if isinstance(schema, list):
        for member in schema:
            yield from named_types(member, namespace)
    elif isinstance(schema, dict):
        if schema["type"] in ("record", "enum"):
            namespace = schema.get("namespace", namespace)
            yield Named(f"{namespace}.{schema['name']}", schema, namespace)
        for inner in (schema.get("items"), *(field["type"] for field in schema.get("fields", ()))):
            yield from named_types(inner, namespace)


def own_types(message: dict[str, Any]) -> list[Named]:
    """What has a name inside a record, which itself stands in front."""
    return list(named_types(message["payload"]["schema"]))


def shared_types(topics: Iterable[Topic]) -> list[Named]:
    """What is in several records, by name."""
    found: dict[str, Named] = {}
    users: dict[str, set[str]] = {}
    for message in (one for topic in topics for one in topic.messages):
        for inner in own_types(message)[1:]:
            found.setdefault(inner.full_name, inner)
            users.setdefault(inner.full_name, set()).add(message["name"])
    return [found[name] for name in sorted(found, key=last) if len(users[name]) > 1]


def last(full_name: str) -> str:
    """A type's name without its namespace."""
    return full_name.rpartition(".")[2]


def kind(schema: Any, namespace: str, anchors: Anchors) -> str:
    """A field's type, with links to what has a name."""
    if isinstance(schema, list):
        return " or ".join(kind(one, namespace, anchors) for one in sorted(schema, key=lambda one: one == "null"))
    if isinstance(schema, str):
        return text(schema) if schema == "null" or schema in PRIMITIVES else reference(schema, namespace, anchors)
    if schema["type"] in ("record", "enum"):
        return reference(schema["name"], schema.get("namespace", namespace), anchors)
    if schema["type"] == "array":
        return f"list of {kind(schema['items'], namespace, anchors)}"
    logical = f" ({schema['logicalType']})" if "logicalType" in schema else ""
    return text(f"{schema['type']}{logical}")


def reference(name: str, namespace: str, anchors: Anchors) -> str:
    """A link to a type."""
    full_name = name if "." in name else f"{namespace}.{name}"
    return link(anchors[full_name], last(full_name))


def content(one: Named, anchors: Anchors) -> str:
    """The fields of a record, or the symbols of an enum."""
    if one.schema["type"] == "enum":
        said = (
            f" What a reader does not know is read as {code(one.schema['default'])}." if "default" in one.schema else ""
        )
        return f"<p>{', '.join(code(symbol) for symbol in one.schema['symbols'])}.{said}</p>"
    rows = []
    for field in one.schema["fields"]:
        default = code(json.dumps(field["default"], ensure_ascii=False)) if "default" in field else ""
        about = text(field.get("doc", ""))
        if isinstance(field.get("default"), dict):
            # A column is too narrow for an object.
            about, default = f"{about}<br>{default}", "an object"
        rows.append((code(field["name"]), kind(field["type"], one.namespace, anchors), about, default))
    return table(("field", "type", "meaning", "default"), rows)


def definition(one: Named, anchors: Anchors) -> str:
    """A type that is no record of a topic."""
    anchor = anchors[one.full_name]
    heading = f"<h4>{link(anchor, last(one.full_name))} <small>{text(one.schema['type'])}</small></h4>"
    return f'<div class="type" id="{text(anchor)}">{heading}<p>{text(one.schema.get("doc", ""))}</p>{content(one, anchors)}</div>'


# -- topics --------------------------------------------------------------------------------------------------------------------


def index(title: str, topics: Iterable[Topic]) -> str:
    """The links at the left: topics, and their records below them."""
    items = []
    for topic in topics:
        records = "".join(f"<li>{link(topic.place(one), one['title'])}</li>" for one in topic.messages)
        items.append(f"<li>{link(topic.anchor, topic.address)}<ul>{records}</ul></li>")
    items += [f"<li>{link(anchor, shown)}</li>" for anchor, shown in (("types", "Types"), ("headers", "Headers"))]
    return f'<nav aria-label="Topics"><b>{text(title)}</b><ul>{"".join(items)}</ul></nav>'


def ends(topics: Sequence[Topic]) -> str:
    """Who sends and who receives what."""
    rows = [
        (
            text(who),
            ", ".join(link(topic.anchor, topic.address) for topic in topics if who in topic.senders),
            ", ".join(link(topic.anchor, topic.address) for topic in topics if who in topic.receivers),
        )
        for who in sorted({who for topic in topics for who in (*topic.senders, *topic.receivers)})
    ]
    heading = '<section id="services"><h2>Who sends, who receives</h2>'
    return f"{heading}{table(('service', 'sends to', 'receives from'), rows)}</section>"


def section(topic: Topic, header_names: Iterable[str], shared: Anchors) -> str:
    """A topic and its records."""
    badge = f'<span class="badge {text(topic.channel["x-kind"])}">{text(topic.channel["x-kind"])}</span>'
    heading = f"<h2>{link(topic.anchor, topic.address)}{badge}</h2><p>{text(topic.channel['description'])}</p>"
    records = "".join(record(topic, message, shared) for message in topic.messages)
    return f'<section id="{text(topic.anchor)}">{heading}{facts(topic, header_names)}{records}</section>'


def facts(topic: Topic, header_names: Iterable[str]) -> str:
    """What holds for all records of a topic."""
    binding, message = topic.channel["bindings"]["kafka"], topic.messages[0]
    rows = [
        ("Key", text(message["bindings"]["kafka"]["key"]["description"])),
        ("Sent by", text(", ".join(topic.senders))),
        ("Received by", text(", ".join(topic.receivers))),
        ("Partitions", text(binding["partitions"])),
        ("Kept", text(kept(binding["topicConfiguration"]))),
        ("Batch", text(f"{binding['topicConfiguration']['max.message.bytes']:,} bytes at most")),
        ("Headers", link(f"headers/{topic.headers}", ", ".join(header_names))),
        *((f"{{{name}}}", text(one["description"])) for name, one in topic.channel.get("parameters", {}).items()),
    ]
    return f"<dl>{''.join(f'<dt>{text(name)}</dt><dd>{value}</dd>' for name, value in rows)}</dl>"


def kept(settings: dict[str, Any]) -> str:
    """How long records are kept."""
    if "compact" in settings["cleanup.policy"]:
        return "the newest record of each key, for ever"
    if settings["retention.ms"] == FOREVER:
        return "for ever"
    return f"{settings['retention.ms'] / MILLISECONDS_A_DAY:g} days"


def record(topic: Topic, message: dict[str, Any], shared: Anchors) -> str:
    """A record type on a topic: its fields, the types that it alone has, and an example."""
    anchor = topic.place(message)
    outer, *inner = own_types(message)
    own = {one.full_name: one for one in inner if one.full_name not in shared}
    anchors = {**shared, **{name: f"{anchor}/{last(name)}" for name in own}}
    about = f"<small>{text(message['name'])}, version {text(message['x-version'])}</small>"
    parts = [
        f'<article id="{text(anchor)}"><h3>{link(anchor, message["title"])} {about}</h3>',
        f"<p>{text(message['description'])}</p>{content(outer, anchors)}",
        *(definition(one, anchors) for one in own.values()),
        *(
            f"<details><summary>Example</summary><p><small>{text(one['summary'])}</small></p>"
            f"<pre>{text(json.dumps(one['payload'], indent=2, ensure_ascii=False))}</pre></details>"
            for one in message["examples"]
        ),
        "</article>",
    ]
    return "".join(parts)


def headers(schemas: dict[str, dict[str, Any]]) -> str:
    """The headers that records have, by kind of topic."""
    parts = ['<section id="headers"><h2>Headers</h2>']
    for name, schema in schemas.items():
        rows = [
            (
                code(header),
                text(one.get("format", one["type"])),
                text(one["description"]),
                "always" if header in schema.get("required", ()) else "not always",
            )
            for header, one in schema["properties"].items()
        ]
        anchor = f"headers/{name}"
        heading = f"<h4>{link(anchor, name)}</h4><p>{text(schema['description'])}</p>"
        shown = table(("header", "type", "meaning", "there"), rows)
        parts.append(f'<div class="type" id="{text(anchor)}">{heading}{shown}</div>')
    return "".join(parts) + "</section>"


# -- HTML ----------------------------------------------------------------------------------------------------------------------


def text(value: Any) -> str:
    """A value of the document, escaped for content and for quoted attributes."""
    return escape(str(value), quote=True)


def code(value: Any) -> str:
    """A value as it is written in programs."""
    return f"<code>{text(value)}</code>"


def link(anchor: str, shown: str) -> str:
    """A link to a place on the page."""
    return f'<a href="#{text(anchor)}">{text(shown)}</a>'


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells of HTML under headings. On a phone a cell is a line that begins with its heading, which its attribute has."""
    head = "".join(f'<th scope="col">{text(heading)}</th>' for heading in headings)
    body = "".join(
        "<tr>"
        + "".join(f'<td data-is="{text(heading)}">{cell}</td>' for heading, cell in zip(headings, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<table class="of-{len(headings)}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
