"""What a tool's author says of a function beyond its types, checked when it is said."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from motet.chassis.errors import ConfigurationError

EffectName = Literal["pure", "transactional", "idempotent"]
EFFECTS: tuple[str, ...] = get_args(EffectName)
NOT_YET = ("reconcilable", "irreversible")

# Letters, digits and underscores are what every model's interface accepts as a function's name.
TOOL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
MAXIMUM_TIMEOUT_SECONDS = 3600.0
# Contract versions are Avro ints.
MAXIMUM_VERSION = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """The arguments of `Toolset.tool`, with `where` naming the tool in messages."""

    where: str
    effect: EffectName
    reads: Sequence[str] | str = ()
    writes: Sequence[str] | str = ()
    commutes: Sequence[str] | str = ()
    version: int = 1
    timeout_seconds: float = 30.0
    arguments_schema: Mapping[str, Any] | None = None
    result_schema: Mapping[str, Any] | bool | None = None

    def __post_init__(self) -> None:
        check_effect(self.where, self.effect)
        if (
            isinstance(self.version, bool)
            or not isinstance(self.version, int)
            or not 1 <= self.version <= MAXIMUM_VERSION
        ):
            raise ConfigurationError(
                f"{self.where}: version {self.version!r} is not an integer from 1 to {MAXIMUM_VERSION}"
            )
        seconds = self.timeout_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not _within_limit(seconds):
            raise ConfigurationError(
                f"{self.where}: timeout_seconds {seconds!r} is not a number above 0 and up to {MAXIMUM_TIMEOUT_SECONDS:g}"
            )


def check_effect(where: str, effect: object) -> None:
    """Refuses what is no effect class, and those that this version does not run."""
    if callable(effect):
        raise ConfigurationError(
            f'{where}: the decorator needs to know what a crash means for the tool: write @tools.tool(effect="pure") with one '
            f"of {', '.join(EFFECTS)}"
        )
    if effect in NOT_YET:
        raise ConfigurationError(
            f"{where}: effect {effect!r} is known, but this version of Motet does not run it yet; it runs {', '.join(EFFECTS)}"
        )
    if effect not in EFFECTS:
        raise ConfigurationError(f"{where}: effect {effect!r} is none of {', '.join(EFFECTS)}")


def _within_limit(seconds: float) -> bool:
    return math.isfinite(seconds) and 0 < seconds <= MAXIMUM_TIMEOUT_SECONDS
