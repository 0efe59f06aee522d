"""Finding the toolset that somebody names on a command line."""

from __future__ import annotations

from motet.chassis.errors import ConfigurationError
from motet.chassis.loading import load_one
from motet.tools.toolset import Toolset


def load(reference: str) -> Toolset:
    """The toolset at `package.module`, `package.module:attribute`, `file.py` or `file.py:attribute`.

    Raises ConfigurationError as `load_one` does, and if the toolset has no tools, or one of them could never be undone as it says.
    """
    toolset = load_one(reference, Toolset, 'tools = Toolset("name")')
    if not toolset.tools:
        raise ConfigurationError(
            f"the toolset {toolset.name!r} of {reference.partition(':')[0]} has no tools; decorate a function with @….tool(effect=…)"
        )
    toolset.check()
    return toolset
