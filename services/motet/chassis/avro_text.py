"""Functions that are written out for Avro schemas: their text line by line, and how it becomes a function.

Where the package was compiled, the functions for the schemas that it ships were too, and are found by the digests of their texts.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from itertools import count
from typing import Any, Final

COMPILED: Final = "motet.chassis.avro_functions"
PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "string", "bytes"})
# A number has at most so many bits, and a byte of it carries seven.
LONG_BITS: Final = 64
BYTE: Final = 7
DOUBLE: Final = struct.Struct("<d")
FLOAT: Final = struct.Struct("<f")


class Differs(Exception):
    """A schema, or what two differ in, is not written out here."""


class Text:
    """The text of a function, line by line."""

    def __init__(self, head: str) -> None:
        self.lines = [head]
        self.depth = 1
        self.numbers = count()
        # Types that are being written out.
        self.within: list[str] = []

    def line(self, text: str) -> None:
        """One more line."""
        self.lines.append("    " * self.depth + text)

    @contextmanager
    def under(self, text: str) -> Iterator[None]:
        """A line, and what stands indented under it."""
        self.line(text)
        self.depth += 1
        yield
        self.depth -= 1

    def name(self) -> str:
        """A name that nothing has yet."""
        return f"v{next(self.numbers)}"


def digest(text: str) -> str:
    """What a function's text is known by."""
    return hashlib.sha256(text.encode()).hexdigest()


def function(text: str, known: Mapping[str, Any]) -> Any:
    """The function of a text, which may use what is `known` beside what every text may."""
    found = ready().get(digest(text))
    if found is not None:
        return found
    names = {"Any": Any, "DOUBLE": DOUBLE, "FLOAT": FLOAT, **known}
    exec(text, names)  # noqa: S102  the text is made of schemas of ours, names and all are quoted
    return names[text.removeprefix("def ").partition("(")[0]]


@cache
def ready() -> Mapping[str, Any]:
    """Functions of the schemas that we ship, by their texts' digests."""
    try:
        module = import_module(COMPILED)
    except ModuleNotFoundError:
        return {}
    found: Mapping[str, Any] = module.FUNCTIONS
    return found


def module_of(head: str, texts: Iterable[str]) -> str:
    """A module with the functions of texts, for a compiler; `head` has its imports."""
    functions = {digest(text): text for text in texts}
    named = [text.replace("(", f"_{number}(", 1) for number, text in enumerate(functions.values())]
    table = ", ".join(
        f'"{key}": {text.removeprefix("def ").partition("(")[0]}' for key, text in zip(functions, named, strict=True)
    )
    return "\n\n\n".join([head, *named, f"FUNCTIONS: dict[str, Any] = {{{table}}}\n"])


def kind_of(schema: Any) -> str:
    """The type of a schema that is no union."""
    return str(schema["type"] if isinstance(schema, dict) else schema)


def resolved(schema: Any, names: dict[str, Any]) -> Any:
    """A schema, or that which a name stands for; what has a name is noted."""
    if isinstance(schema, str):
        if schema in PRIMITIVES:
            return schema
        if schema not in names:
            raise Differs
        return names[schema]
    if "name" in schema:
        names[schema["name"]] = schema
    elif isinstance(schema["type"], (dict, list)):
        raise Differs
    return schema
