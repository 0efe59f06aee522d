"""The files of a page: its Python blocks that begin with their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

FILE: Final = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of(page: Path) -> dict[str, str]:
    """Their contents, by name."""
    return dict(FILE.findall(page.read_text()))


def written(page: Path, folder: Path) -> Path:
    """A folder with all of them."""
    for name, content in files_of(page).items():
        (folder / name).write_text(content)
    return folder
