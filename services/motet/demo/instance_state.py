"""An API object as a JSON value and back, with everything that its later behaviour depends on.

The objects are graphs, not trees: a directory knows its parent, a copied directory shares its files with the original, and a moved
directory's children still point at the directory that was removed. So a container that is reached twice is written once, under
`$id`, and then named by `$ref`. What JSON has no word for gets one: `$dict` (keys that are not strings), `$set`, `$tuple`, `$float`
(infinities), `$random` (a generator's state) and `$file`/`$directory`. The order of a dictionary is kept, because directory
listings show it: store the value as PostgreSQL `json` or text, never as `jsonb`, which sorts keys.

No pickle: a state can be read with SQL, and loading one runs no code.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from typing import Any

# Nothing in the classes reads it, and it is wall time: two runs would differ in it and in nothing else.
UNREAD_WALL_TIME = "_last_modified"


class UnknownStateValue(TypeError):
    """An object holds a value that has no place in its JSON state."""


def encode(attributes: Mapping[str, Any], objects: Mapping[str, type]) -> Any:
    """The JSON value of an object's attributes; `objects` names the classes that may appear inside, as in `{"file": File}`."""
    return _Encoder(attributes, objects).value(dict(attributes))


def decode(state: Any, objects: Mapping[str, type]) -> dict[str, Any]:
    """The attributes that `encode` wrote, with the same sharing between them."""
    attributes = _Decoder(objects).value(state)
    if not isinstance(attributes, dict):
        raise UnknownStateValue(f"an instance state is a JSON object, this is {type(attributes).__name__}")
    return attributes


class _Encoder:
    """Writes values; knows beforehand which containers are reached more than once."""

    def __init__(self, attributes: Mapping[str, Any], objects: Mapping[str, type]) -> None:
        self._words = {kind: f"${word}" for word, kind in objects.items()}
        self._seen: set[int] = set()
        self._shared: set[int] = set()
        self._numbers: dict[int, int] = {}
        self._count(dict(attributes))

    def _count(self, value: Any) -> None:
        if isinstance(value, (dict, list, set, random.Random)) or type(value) in self._words:
            if id(value) in self._seen:
                self._shared.add(id(value))
                return
            self._seen.add(id(value))
        if isinstance(value, dict):
            for item in value.values():
                self._count(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self._count(item)
        elif type(value) in self._words:
            for item in vars(value).values():
                self._count(item)

    def value(self, value: Any) -> Any:
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, tuple):
            return {"$tuple": [self.value(item) for item in value]}
        if id(value) in self._numbers:
            return {"$ref": self._numbers[id(value)]}
        head: dict[str, Any] = {}
        if id(value) in self._shared:
            head["$id"] = self._numbers[id(value)] = len(self._numbers) + 1
        return self._container(value, head)

    def _container(self, value: Any, head: dict[str, Any]) -> Any:
        if isinstance(value, list):
            items = [self.value(item) for item in value]
            return {**head, "$list": items} if head else items
        if isinstance(value, dict):
            if not head and all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: self.value(item) for key, item in value.items()}
            return {**head, "$dict": [[self.value(key), self.value(item)] for key, item in value.items()]}
        if isinstance(value, set):
            # A set has no order of its own, and with strings in it another one in each process.
            return {**head, "$set": sorted((self.value(item) for item in value), key=json.dumps)}
        if isinstance(value, random.Random):
            version, internal, gauss = value.getstate()
            return {**head, "$random": [version, list(internal), gauss]}
        word = self._words.get(type(value))
        if word is None:
            raise UnknownStateValue(
                f"{type(value).__name__} {value!r:.100} cannot be kept as JSON; teach motet.demo.instance_state this type"
            )
        return {
            **head,
            word: {name: self.value(item) for name, item in vars(value).items() if name != UNREAD_WALL_TIME},
        }


class _Decoder:
    """Reads values; a shared container is known by its number before its content is read, so that cycles close."""

    def __init__(self, objects: Mapping[str, type]) -> None:
        self._objects = {f"${word}": kind for word, kind in objects.items()}
        self._known: dict[int, Any] = {}

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if not isinstance(value, dict):
            return value
        number = value.get("$id")
        word = next((key for key in value if key.startswith("$") and key != "$id"), None)
        if word is None:
            return {key: self.value(item) for key, item in value.items()}
        return self._container(word, value[word], number)

    def _container(self, word: str, content: Any, number: int | None) -> Any:
        result: Any
        if word == "$ref":
            return self._known[content]
        if word == "$float":
            return float(content)
        if word == "$tuple":
            return tuple([self.value(item) for item in content])
        if word == "$list":
            result = self._keep(number, [])
            result.extend(self.value(item) for item in content)
        elif word == "$dict":
            result = self._keep(number, {})
            for key, item in content:
                result[self.value(key)] = self.value(item)
        elif word == "$set":
            result = self._keep(number, {self.value(item) for item in content})
        elif word == "$random":
            # The seed is overwritten in the next line; giving one only avoids asking the system for entropy.
            result = self._keep(number, random.Random(0))  # noqa: S311  no secret
            version, internal, gauss = content
            result.setstate((version, tuple(internal), gauss))
        elif word in self._objects:
            kind = self._objects[word]
            result = self._keep(number, object.__new__(kind))
            vars(result).update({name: self.value(item) for name, item in content.items()})
        else:
            raise UnknownStateValue(f"{word} is no word of an instance state; it was written by another version")
        return result

    def _keep(self, number: int | None, container: Any) -> Any:
        if number is not None:
            self._known[number] = container
        return container
