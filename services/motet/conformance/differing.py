"""Where what is published today parts from what was published: the first record that differs, both contents, the fields in which they do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from motet.chassis import decided_by
from motet.chassis.codec import Codec
from motet.chassis.errors import Undecodable
from motet.chassis.text import readable
from motet.conformance.shard_log import Place, Said

MISSING: Final = "<missing>"


@dataclass(frozen=True, slots=True)
class Differing:
    """A place within a record, and what stands there."""

    path: str
    published: Any
    today: Any


@dataclass(frozen=True, slots=True)
class Difference:
    """A record that is another one today, or that only one side has."""

    topic: str
    partition: int
    number: int
    type: str
    fields: tuple[Differing, ...]
    published: dict[str, Any] | None
    today: dict[str, Any] | None

    def __str__(self) -> str:
        """In one sentence."""
        where = f"{self.type} at {self.topic}, partition {self.partition}, number {self.number} on the lane"
        if self.published is None:
            return f"{where} is published today, and was not then"
        if self.today is None:
            return f"{where} was published, and is not today"
        return f"{where} differs in {', '.join(one.path for one in self.fields)}"

    def as_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def difference(codec: Codec, place: Place, published: Said | None, today: Said | None) -> Difference:
    """What two sides say at one place."""
    was, now = (None if one is None else content(codec, one) for one in (published, today))
    fields = tuple(differing(was, now)) if was is not None and now is not None else ()
    kind = next(str(one["type"]) for one in (was, now) if one is not None)
    return Difference(*place, kind, fields, was, now)


def content(codec: Codec, said: Said) -> dict[str, Any]:
    """A record as a person reads it, beside it its key, its lane, and what it was decided by."""
    out: dict[str, Any] = {
        "key": readable(said.key),
        "lane": {"exogenous": said.stamp.exogenous, "previous": said.stamp.previous.hex()},
        "decided_by": decided_by.read(said.decided_by),
    }
    try:
        record = codec.decode(said.value)
    except Undecodable as error:
        return {"type": "?", "unreadable": str(error), "value": said.value.hex(), **out}
    return {"type": record.FULL_NAME, "record": shown(record.to_avro()), **out, "bytes": len(said.value)}


def shown(value: Any) -> Any:
    """A datum as JSON can say it."""
    match value:
        case dict():
            return {name: shown(member) for name, member in value.items()}
        case list() | tuple():
            return [shown(member) for member in value]
        case bytes():
            return value.hex()
        case _:
            return value


def differing(one: Any, other: Any, path: str = "") -> Iterator[Differing]:
    """Where two contents differ, the innermost places."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            yield from differing(one.get(name, MISSING), other.get(name, MISSING), f"{path}.{name}" if path else name)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differing(left, right, f"{path}[{number}]")
    elif one != other:
        yield Differing(path, one, other)
