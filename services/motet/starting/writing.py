"""Writes a new project from the files in `template`, each as it is but for the project's name."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

from motet.chassis.errors import ConfigurationError

TEMPLATE: Final = Path(__file__).parent / "template"
SUFFIX: Final = ".template"
# Room for what names are made of it: the toolset, the agent, its consumer group.
NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?")
PLACE_HOLDER: Final = "@name@"
VERSION: Final = "@version@"
# A file of the project whose name begins with a dot has none here: build tools leave such files out.
HIDDEN: Final = "dot-"


def write(name: str, directory: Path) -> list[Path]:
    """Writes the project, and returns its files in their order. Raises ConfigurationError for a name that is none, and a folder that is not empty."""
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"the project name {name!r} is not a lower-case letter followed by up to 29 lower-case letters, digits or hyphens, the last no hyphen"
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigurationError(
            f"{directory} is there and not empty: nothing was written; name another with --directory"
        )
    written = []
    for source in sorted(TEMPLATE.rglob(f"*{SUFFIX}")):
        relative = source.relative_to(TEMPLATE)
        plain = relative.name.removesuffix(SUFFIX)
        target = directory / relative.with_name(plain.replace(HIDDEN, ".", 1) if plain.startswith(HIDDEN) else plain)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8").replace(PLACE_HOLDER, name).replace(VERSION, version("motet"))
        target.write_text(text, encoding="utf-8")
        written.append(target)
    return written
