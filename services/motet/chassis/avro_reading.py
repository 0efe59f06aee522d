"""Reads Avro's binary encoding by functions that have a schema's fields written out, one after the other.

fastavro walks the schema with each record, and asks a stream for each few bytes; a function that was made for the schema takes half of that
or less, and an audit of millions of records does little else. It reads what fastavro reads and refuses what fastavro refuses, which a law in
the tests compares. Where a writer's schema differs from ours by more than fields, symbols and branches, fastavro reads it.

Encoding and resolution of schemas are those of the Avro specification, 1.12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final

import fastavro

from motet.chassis.avro_text import BYTE, LONG_BITS, PRIMITIVES, Differs, Text, function, kind_of, resolved

Read = Callable[[bytes, int], tuple[Any, int]]

HEAD: Final = "def read(b: bytes, i: int) -> tuple[Any, int]:"
IMPORTS: Final = "from motet.chassis.avro_reading import more"


def reader(written: Any, own: Any, without: Sequence[str] = ()) -> Read:
    """A function of bytes and a place in them: the content there as plain data, and the place behind it.

    `written` is the schema of the bytes, as fastavro parses it; `own` the one that is read into, None for the same. Of a record's lists that are
    named in `without` nothing is made: they are empty, and their bytes are passed over. The function raises
    ValueError, LookupError, struct.error or what fastavro raises for bytes that are not of that schema. For bytes that end in the middle of
    their last text the place is beyond their end.
    """
    text = text_of(written, own, without)
    if text is None:
        return by_fastavro(written, own, without)
    read: Read = function(text, {"more": more})
    return read


def text_of(written: Any, own: Any, without: Sequence[str] = ()) -> str | None:
    """The text of the function; None where the schemas differ in a way that is not written out here."""
    making = Making(without)
    try:
        return making.text(making.value(written, written if own is None else own))
    except Differs:
        return None


def by_fastavro(written: Any, own: Any, without: Sequence[str] = ()) -> Read:
    """The same by the library."""

    def read(data: bytes, place: int) -> tuple[Any, int]:
        stream = BytesIO(data)
        stream.seek(place)
        content: Any = fastavro.schemaless_reader(stream, written, own)
        for name in without:
            if name in content:
                content[name] = []
        return content, stream.tell()

    return read


def more(data: bytes, place: int, first: int) -> tuple[int, int]:
    """The rest of a number whose first byte says that there is more: the number, not unfolded yet, and the place behind it."""
    number, shift = first & 127, BYTE
    while True:
        byte = data[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004  the highest bit says whether more follows
            break
        shift += BYTE
    if number >> LONG_BITS:
        raise ValueError("a number has more than 64 bits")
    return number, place


class Making(Text):
    """The text of a function. `b` are the bytes, `i` is the place, `n` the number read last."""

    def __init__(self, without: Sequence[str] = ()) -> None:
        super().__init__(HEAD)
        self.without = without
        # Types by name, of those who write and of ours.
        self.written: dict[str, Any] = {}
        self.own: dict[str, Any] = {}

    def text(self, result: str) -> str:
        """The function's text, whole."""
        return "\n".join([*self.lines, f"    return {result}, i"])

    # -- values ------------------------------------------------------------------------------------------------------------

    def value(self, written: Any, own: Any) -> str:
        """Reads a value of any type; returns what it is called, or written as."""
        if isinstance(written, list) or isinstance(own, list):
            return self.union(written, own)
        written, own = resolved(written, self.written), resolved(own, self.own)
        kind = kind_of(written)
        if kind != kind_of(own):
            raise Differs
        if kind in PRIMITIVES:
            return self.primitive(kind)
        if kind == "array":
            return self.array(written["items"], own["items"])
        if kind not in ("record", "enum") or written["name"] != own["name"] or written["name"] in self.within:
            raise Differs
        if kind == "enum":
            return self.enum(written, own)
        self.within.append(written["name"])
        found = self.record(written, own)
        self.within.pop()
        return found

    def primitive(self, kind: str) -> str:
        """Reads a value that has no parts."""
        if kind == "null":
            return "None"
        name = self.name()
        match kind:
            case "boolean":
                self.line(f"{name} = b[i] != 0; i += 1")
            case "int" | "long":
                self.number()
                self.line(f"{name} = (n >> 1) ^ -(n & 1)")
            case "double" | "float":
                self.line(f"({name},) = {kind.upper()}.unpack_from(b, i); i += {8 if kind == 'double' else 4}")
            case "string" | "bytes":
                self.size()
                self.line(f"j = i + (n >> 1); {name} = b[i:j]{'.decode()' if kind == 'string' else ''}; i = j")
        return name

    def number(self) -> None:
        """Reads `n`, not unfolded: twice the number, or twice its complement and one."""
        self.line("n = b[i]; i += 1")
        with self.under("if n > 127:"):
            # Two bytes, the length of many a text, without the price of a call.
            self.line("m = b[i]")
            self.line("if m < 128: n += (m << 7) - 128; i += 1")
            self.line("else: n, i = more(b, i, n)")

    def size(self) -> None:
        """Reads `n` where what is below 0 makes no sense."""
        self.number()
        self.line("if n & 1: raise ValueError(f'a length or an index is {~(n >> 1)}')")

    def array(self, written: Any, own: Any) -> str:
        """Reads the items of an array."""
        name = self.name()
        self.line(f"{name}: list[Any] = []")
        with self.items():
            self.line(f"{name}.append({self.value(written, own)})")
        return name

    @contextmanager
    def items(self) -> Iterator[None]:
        """What is done with each item: of blocks until an empty one. A block's size in bytes stands behind a count that is below 0."""
        with self.under("while True:"):
            self.number()
            self.line("if not n: break")
            left = self.name()
            self.line(f"{left} = (n >> 1) ^ -(n & 1)")
            with self.under(f"if {left} < 0:"):
                self.line(f"{left} = -{left}")
                self.number()
            with self.under(f"for _ in range({left}):"):
                yield

    def enum(self, written: Any, own: Any) -> str:
        """Reads a symbol; one that ours does not have is our default."""
        symbols = tuple(one if one in own["symbols"] else own.get("default") for one in written["symbols"])
        if None in symbols:
            raise Differs
        self.size()
        name = self.name()
        self.line(f"{name} = {symbols!r}[n >> 1]")
        return name

    def union(self, written: Any, own: Any) -> str:
        """Reads a branch, which has to be one of ours."""
        if not isinstance(written, list) or not isinstance(own, list):
            raise Differs
        ours = {branch_of(one, self.own): one for one in own}
        branches = [(one, ours.get(branch_of(one, self.written))) for one in written]
        if any(found is None for _, found in branches):
            raise Differs
        name = self.name()
        self.size()
        self.line(f"{name}: Any = n >> 1")
        for index, (one, found) in enumerate(branches):
            with self.under(f"{'el' if index else ''}if {name} == {index}:"):
                self.line(f"{name} = {self.value(one, found)}")
        self.line(f"else: raise LookupError(f'there is no branch {{{name}}}')")
        return name

    def record(self, written: Any, own: Any) -> str:
        """Reads a record's fields in the order in which they were written; those that were not have our defaults."""
        ours = {field["name"]: field for field in own["fields"]}
        found: dict[str, str] = {}
        for field in written["fields"]:
            mine = ours.get(field["name"])
            if len(self.within) == 1 and field["name"] in self.without:
                self.skip(field["type"])
                found[field["name"]] = "[]"
                learn(mine["type"] if mine is not None else None, self.own)
                continue
            read = self.value(field["type"], self.unread(field["type"]) if mine is None else mine["type"])
            if mine is not None:
                found[field["name"]] = read
        for name, field in ours.items():
            if name not in found:
                found[name] = default_of(field)
                learn(field["type"], self.own)
        name = self.name()
        self.line(f"{name} = {{{', '.join(f'{field!r}: {found[field]}' for field in ours)}}}")
        return name

    # -- what nobody wants -------------------------------------------------------------------------------------------------

    def skip(self, written: Any) -> None:
        """Passes over a value of any type."""
        if isinstance(written, list):
            self.skip_branch(written)
            return
        written = resolved(written, self.written)
        kind = kind_of(written)
        if kind == "array":
            with self.items():
                self.skip(written["items"])
        elif kind == "record" and written["name"] not in self.within:
            self.within.append(written["name"])
            for field in written["fields"]:
                self.skip(field["type"])
            self.within.pop()
        else:
            self.skip_plain(kind)

    def skip_plain(self, kind: str) -> None:
        """Passes over a value that has no parts."""
        match kind:
            case "null":
                self.line("pass")
            case "boolean":
                self.line("i += 1")
            case "int" | "long" | "enum":
                self.number()
            case "double" | "float":
                self.line(f"i += {8 if kind == 'double' else 4}")
            case "string" | "bytes":
                self.size()
                self.line("i += n >> 1")
            case _:
                raise Differs

    def skip_branch(self, written: list[Any]) -> None:
        """Passes over a value of a union."""
        self.size()
        branch = self.name()
        self.line(f"{branch} = n >> 1")
        for index, one in enumerate(written):
            with self.under(f"{'el' if index else ''}if {branch} == {index}:"):
                self.skip(one)
        self.line(f"else: raise LookupError(f'there is no branch {{{branch}}}')")

    def unread(self, written: Any) -> Any:
        """What a field that we do not have is read as: itself, if it names no type that was written out elsewhere."""
        names: dict[str, Any] = {}
        learn(written, names)
        for name in names:
            if name in self.own:
                raise Differs
        self.own.update({name: one for name, one in self.written.items() if name not in self.own})
        return written


def branch_of(schema: Any, names: dict[str, Any]) -> str:
    """What tells the branches of a union apart: a name, or a type."""
    schema = resolved(schema, names)
    return str(schema["name"]) if isinstance(schema, dict) and "name" in schema else kind_of(schema)


def default_of(field: dict[str, Any]) -> str:
    """A field's default, JSON as its schema has it, as it is written in Python: each record gets one of its own."""
    if "default" not in field:
        raise Differs
    return repr(field["default"])


def learn(schema: Any, names: dict[str, Any]) -> None:
    """Notes the types that a schema names, for what refers to them later."""
    if isinstance(schema, list):
        for one in schema:
            learn(one, names)
    elif isinstance(schema, dict):
        if "name" in schema:
            names.setdefault(schema["name"], schema)
        for one in (*(field["type"] for field in schema.get("fields", ())), *filter(None, [schema.get("items")])):
            learn(one, names)
