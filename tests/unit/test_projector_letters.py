"""What a rebuild leaves out follows from the dead letters and what became of them."""

from __future__ import annotations

from motet.projector.letters import Letters
from motet.records import DeadLetter, DeadLetterRepaired, Meta, RepairOutcome


def letter(name: str, offset: int, service: str = "projector", *, parked: bool = True) -> DeadLetter:
    """A letter about a record of motet.events."""
    meta = Meta(name, "c", "", "acme", "d", 0, 0, None)
    place = ("motet.events", 1, offset)
    return DeadLetter(meta, service, *place, 0, b"acme/d", b"", (), "HANDLING_FAILED", "why", parked)


def repaired(name: str, outcome: RepairOutcome) -> DeadLetterRepaired:
    """What became of it."""
    meta = Meta(f"r{name}", "c", "", "acme", "d", 0, 0, None)
    return DeadLetterRepaired(meta, "projector", name, outcome, 0, "ada", "", None)


def test_only_what_was_not_handled_is_left_out() -> None:
    """Discarded records are gone, open ones are waited behind where they were parked, redriven ones are there."""
    letters = Letters("projector")
    letters.take(
        [letter("a", 1), letter("b", 2), letter("c", 3, parked=False), letter("d", 4), letter("x", 5, "tools-a")]
    )
    letters.take([repaired("a", "DISCARDED"), repaired("b", "REDRIVEN"), repaired("d", "FAILED_AGAIN")])
    letters.take([repaired("unknown", "DISCARDED"), repaired("x", "NOT_FOUND")])
    assert letters.discarded == {("motet.events", 1, 1)}
    assert letters.waiting() == {("motet.events", 1, 3): False, ("motet.events", 1, 4): True}
