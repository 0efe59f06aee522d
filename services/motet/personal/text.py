"""How sealed text looks, and what is written where a personal value must not be."""

from __future__ import annotations

import re
from typing import Final

BEGIN: Final = "sealed.v1."
SEALED: Final = re.compile(r"sealed\.v1\.([0-9a-f]{32})\.([A-Za-z0-9_-]+)")
HIDDEN: Final = "[personal]"
# The keyword of a JSON Schema that marks a value as personal.
MARK: Final = "x-motet-personal"


def is_sealed(value: object) -> bool:
    """Whether a JSON value is sealed text."""
    return isinstance(value, str) and value.startswith(BEGIN) and SEALED.fullmatch(value) is not None
