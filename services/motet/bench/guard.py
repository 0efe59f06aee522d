"""Whether today's figures have lost anything against those that were kept, as ratios to the bare hop of the same run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from motet.bench.run import Figures
from motet.chassis.errors import ConfigurationError

# What may be lost without a word: machines are noisy.
LOSS: Final = 0.25
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure beside what was kept; more is better. `kept` is None for one that was not measured then."""

    name: str
    kept: float | None
    now: float

    @property
    def lost(self) -> bool:
        """Whether more than a quarter of it is gone."""
        return self.kept is not None and self.now < self.kept * (1 - LOSS)


def ratios(figures: Figures) -> dict[str, float]:
    """Figures that mean the same on a faster and on a slower machine, more being better.

    Throughput in calls for each record that the bare hop takes meanwhile; latency in plans, one after another, for a thousand of these.
    """
    hop = figures.hop_records_per_second
    return {
        "32 plans in flight": figures.in_flight_32_calls_per_second / hop,
        "saturated": figures.saturated_calls_per_second / hop,
        "one plan at a time, p50": 1_000_000 / figures.plan_p50_ms / hop,
        "one plan at a time, p99": 1_000_000 / figures.plan_p99_ms / hop,
    }


def keep(figures: Figures, path: Path, *, compiled: bool) -> None:
    """Writes the figures of a run, to be compared with later."""
    machine = {"cores": os.cpu_count(), "date": time.strftime("%Y-%m-%d"), "compiled": compiled}
    kept = {"version": VERSION, "machine": machine, "ratios": rounded(ratios(figures)), "figures": figures.as_json()}
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def compare(figures: Figures, path: Path, *, compiled: bool) -> list[Ratio]:
    """Today's ratios beside those of a file. Raises ConfigurationError for a file that is none, or was measured otherwise."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        before: Mapping[str, float] = kept["ratios"]
        same = kept["version"] == VERSION and kept["machine"]["compiled"] == compiled
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} has no kept figures ({error!r}); `motet bench --keep {path}` writes them"
        ) from error
    if not same:
        raise ConfigurationError(
            f"{path} was measured with the deciders {'compiled' if kept['machine'].get('compiled') else 'interpreted'}, and these run "
            f"{'compiled' if compiled else 'interpreted'} (`make bench` compiles them): ratios of the two say nothing"
        )
    return [Ratio(name, before.get(name), now) for name, now in ratios(figures).items()]


def rounded(found: Mapping[str, float]) -> dict[str, Any]:
    """Ratios as they are kept."""
    return {name: round(value, 4) for name, value in found.items()}
