"""Arguments: strict JSON, and references to earlier results within them.

A value `{"$result": {"call": "c0", "pointer": "/id"}}` stands for (a part of) the result of another call of the plan. The pointer is
a JSON Pointer (RFC 6901); without one the whole result is meant.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

REFERENCE: Final = "$result"
# RFC 6901: no leading zeros; nine digits are more than any result has items.
INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


class BadArguments(ValueError):
    """Arguments that cannot be used; `code` is the reason's code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Reference:
    """A place in another call's result."""

    call_id: str
    pointer: str


def parse(text: str, depth: int) -> dict[str, Any]:
    """The arguments object of a JSON text. Raises BadArguments."""
    try:
        value = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=unique)
    except RecursionError as error:
        raise BadArguments("ARGUMENTS_NOT_JSON", f"the arguments are nested deeper than {depth} levels") from error
    except ValueError as error:
        raise BadArguments("ARGUMENTS_NOT_JSON", f"the arguments are no JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadArguments("ARGUMENTS_NOT_JSON", f"the arguments are a JSON object, not {type(value).__name__}")
    if deeper(value, depth):
        raise BadArguments("ARGUMENTS_NOT_JSON", f"the arguments are nested deeper than {depth} levels")
    return value


def refuse_constant(name: str) -> None:
    """NaN and infinities are no JSON."""
    raise ValueError(f"{name} is no JSON number")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are unique: two readers of a repeated name would see two things."""
    value = dict(pairs)
    if len(value) != len(pairs):
        repeated = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the name {repeated[:100]!r} stands twice in one object")
    return value


def deeper(value: Any, depth: int) -> bool:
    """Whether a value is nested deeper than allowed; level by level, so that depth costs no stack."""
    level = [value]
    for _ in range(depth):
        level = [
            child
            for one in level
            for child in (one.values() if isinstance(one, dict) else one)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def references(value: Any) -> Iterator[Reference]:
    """Every reference in a value, in order. Raises BadArguments for a malformed one."""
    if isinstance(value, dict):
        if REFERENCE in value:
            yield reference(value)
        else:
            for child in value.values():
                yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


def refers(value: Any) -> bool:
    """Whether a value takes a result somewhere, well-formed or not."""
    if isinstance(value, dict):
        return REFERENCE in value or any(map(refers, value.values()))
    return isinstance(value, list) and any(map(refers, value))


def reference(value: dict[str, Any]) -> Reference:
    """The reference that an object is. Raises BadArguments."""
    target = value[REFERENCE]
    if len(value) != 1 or not isinstance(target, dict) or not target.keys() <= {"call", "pointer"}:
        raise BadArguments(
            "BAD_REFERENCE", f'a reference is {{"{REFERENCE}": {{"call": …, "pointer": …}}}} and nothing else'
        )
    call, pointer = target.get("call"), target.get("pointer", "")
    if not isinstance(call, str) or not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise BadArguments(
            "BAD_REFERENCE", f"call is a call's id and pointer begins with a slash, not {call!r} and {pointer!r}"
        )
    return Reference(call, pointer)


def resolve(value: Any, result_of: Callable[[str], Any]) -> Any:
    """A value with every reference replaced. Raises BadArguments where a pointer leads nowhere."""
    if isinstance(value, dict):
        if REFERENCE in value:
            target = reference(value)
            return follow(result_of(target.call_id), target)
        return {name: resolve(child, result_of) for name, child in value.items()}
    if isinstance(value, list):
        return [resolve(child, result_of) for child in value]
    return value


def follow(value: Any, target: Reference) -> Any:
    """Where a JSON Pointer leads (RFC 6901)."""
    for token in target.pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
        else:
            raise BadArguments("BAD_REFERENCE", f"the result of {target.call_id} has nothing at {target.pointer!r}")
    return value
