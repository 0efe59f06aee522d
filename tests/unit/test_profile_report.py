"""A profile as people read it."""

from __future__ import annotations

from benchmarks.profiling import report

DOCUMENT = {
    "calls": 80_000,
    "calls_per_second": 2_500.0,
    "microseconds_a_call": {"kafka": 50.0, "coordinator": 150.0, "leases": 0.0},
    "compiled": True,
    "machine": {
        "processor": "A processor",
        "cores": 2,
        "memory_gib": 24,
        "system": "Linux",
        "python": "3.11.7",
        "flush_ms": 0.3,
    },
}


def test_who_takes_most_stands_first() -> None:
    """With what share of all it is."""
    assert report.told(DOCUMENT).splitlines()[2:] == [
        "coordinator      150.0 µs a call  75.0%",
        "kafka             50.0 µs a call  25.0%",
        "leases             0.0 µs a call   0.0%",
    ]


def test_the_page_has_figures_and_graphs() -> None:
    """And what they were measured on."""
    page = report.page(DOCUMENT, ("coordinator",))
    assert "10,000 plans" in page
    assert "2,500 calls/s; a call took 200 µs of processor time, of which there are 2 s a second." in page
    assert "| coordinator | 150.0 | 75.0% |" in page
    assert "- [coordinator](profile/coordinator.svg)" in page
    assert "A processor, 2 cores, 24 GiB, Linux, Python 3.11.7, deciders compiled." in page
