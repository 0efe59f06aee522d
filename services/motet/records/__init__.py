"""The record types on Motet's topics, generated from `schemas/avro`.

Each is a read-only dataclass (`record.py`) with `FULL_NAME`, `to_avro()` and `from_avro()`. Enums are `Literal` strings: comparing one costs
nothing, and a symbol that a later version adds is read as the enum's default, `UNKNOWN`.
"""

from motet.records.generated import *  # noqa: F403  the generated module defines the names; listing them twice would go stale
