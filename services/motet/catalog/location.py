"""Where the schemas are: inside the installed wheel, or beside `services/` in a checkout."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def schemas_directory() -> Path:
    """The folder with `topics.yaml`, `avro/` and `examples/`."""
    installed = PACKAGE / "schemas"
    return installed if installed.is_dir() else PACKAGE.parent.parent / "schemas"
