"""The guard of the benchmark: ratios that a slower machine does not change, and a loss that is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.bench import guard
from motet.bench.run import Figures
from motet.chassis.errors import ConfigurationError

FIGURES = Figures(16_000.0, 25.0, 50.0, 1_000.0, 2_500.0, 1.0, ())


@given(st.floats(0.2, 5))
def test_a_faster_machine_changes_no_ratio(speed: float) -> None:
    """Everything times as fast, the bare hop too."""
    faster = Figures(16_000 * speed, 25 / speed, 50 / speed, 1_000 * speed, 2_500 * speed, 1.0, ())
    assert guard.ratios(faster) == pytest.approx(guard.ratios(FIGURES))


@pytest.mark.parametrize(
    ("changed", "lost"),
    [
        ({}, []),
        ({"saturated_calls_per_second": 1_900.0}, []),
        ({"saturated_calls_per_second": 1_800.0}, ["saturated"]),
        ({"plan_p50_ms": 34.0}, ["one plan at a time, p50"]),
        ({"plan_p99_ms": 66.0}, []),
        ({"hop_records_per_second": 22_000.0}, sorted(guard.ratios(FIGURES))),
    ],
)
def test_more_than_a_quarter_less_is_a_loss(tmp_path: Path, changed: dict[str, Any], lost: list[str]) -> None:
    """Of throughput, or of latency; a hop that became faster alone is a loss of all."""
    path = tmp_path / "kept.json"
    guard.keep(FIGURES, path, compiled=True)
    found = guard.compare(replace(FIGURES, **changed), path, compiled=True)
    assert sorted(one.name for one in found if one.lost) == lost


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    """No file, no figures, and figures of interpreted deciders."""
    path = tmp_path / "kept.json"
    with pytest.raises(ConfigurationError, match="has no kept figures"):
        guard.compare(FIGURES, path, compiled=True)
    path.write_text(json.dumps({"ratios": {}}))
    with pytest.raises(ConfigurationError, match="has no kept figures"):
        guard.compare(FIGURES, path, compiled=True)
    guard.keep(FIGURES, path, compiled=False)
    with pytest.raises(ConfigurationError, match="interpreted, and these run compiled"):
        guard.compare(FIGURES, path, compiled=True)
