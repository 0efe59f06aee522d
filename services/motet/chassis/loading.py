"""Finding the object that somebody names on a command line: a toolset, an agent."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from motet.chassis.errors import ConfigurationError

T = TypeVar("T")


def load_one(reference: str, kind: type[T], example: str) -> T:
    """The object of a kind at `package.module`, `package.module:attribute`, `file.py` or `file.py:attribute`.

    Modules are looked up on Python's path and then in the working directory. Raises ConfigurationError if the module is not found,
    or has no such object, or several and none is named; `example` says how one is written. What the module itself raises passes as it is.
    """
    source, colon, attribute = reference.partition(":")
    if not source or (colon and not attribute):
        raise ConfigurationError(
            f"{reference!r} names no {kind.__name__.lower()}; write package.module, package.module:attribute or a path file.py"
        )
    module = _load(source)
    return _attribute(module, source, attribute, kind) if attribute else _only(module, source, kind, example)


def has_one(reference: str, kind: type[object]) -> bool:
    """Whether what somebody names is, or has, an object of a kind. Raises as `load_one` does for a module that is not there."""
    source, _, attribute = reference.partition(":")
    module = _load(source)
    return isinstance(getattr(module, attribute, None), kind) if attribute else bool(_those(module, kind))


def _load(source: str) -> ModuleType:
    return _load_file(Path(source)) if source.endswith(".py") else _load_module(source)


def _load_module(name: str) -> ModuleType:
    # Last, so that a file in the working directory never hides an installed module.
    _search(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # An import that fails inside the author's module is the author's to see.
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(
            f"there is no module {error.name!r} (looked for {name!r} on Python's path and in {Path.cwd()}); "
            "for a file give its path with .py"
        ) from error
    except TypeError as error:
        if not name.startswith("."):
            raise
        raise ConfigurationError(f"{name!r} is relative; give the module's full name") from error


def _load_file(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise ConfigurationError(f"there is no file {path}")
    # A name of its own, so that a file called `json.py` does not take the place of another module; the same file is one module.
    name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"Python cannot import {path}")
    # Python finds a script's neighbours; a toolset's file expects the same.
    _search(path.parent)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    finished = False
    try:
        spec.loader.exec_module(module)
        finished = True
    finally:
        # Half a module must not be found by the next load.
        if not finished:
            del sys.modules[name]
    return module


def _search(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _attribute(module: ModuleType, source: str, attribute: str, kind: type[T]) -> T:
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigurationError(f"{source} has no {attribute!r}; {_choice(module, kind)}")
        found = getattr(found, part)
    if not isinstance(found, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise ConfigurationError(
            f"{attribute!r} of {source} is a {type(found).__name__}, not {article} {kind.__name__}; {_choice(module, kind)}"
        )
    return found


def _only(module: ModuleType, source: str, kind: type[T], example: str) -> T:
    named = _those(module, kind)
    if len(set(map(id, named.values()))) != 1:
        if not named:
            raise ConfigurationError(f"{source} has no {kind.__name__}; write {example} at the top of the module")
        raise ConfigurationError(
            f"{source} has several {kind.__name__.lower()}s ({', '.join(named)}); name one: {source}:{next(iter(named))}"
        )
    return next(iter(named.values()))


def _those(module: ModuleType, kind: type[T]) -> dict[str, T]:
    return {name: value for name, value in vars(module).items() if isinstance(value, kind)}


def _choice(module: ModuleType, kind: type[T]) -> str:
    named = _those(module, kind)
    what = kind.__name__
    return f"its {what.lower()}s are {', '.join(named)}" if named else f"it has no {what} at its top level"
