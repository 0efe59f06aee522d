"""A change of the SQL surface has a number of its own: of two versions that meet, the newer one builds its tables."""

from __future__ import annotations

from motet.projector import surface

# What each version creates. A changed definition is a new line here, and `surface.VERSION` is its number.
DEFINITIONS = {2: "5f2c8aed6d02", 3: "7af95a864b83", 4: "0a2372316677", 5: "3e7b36df75c5"}


def test_a_changed_definition_has_a_new_number() -> None:
    """The newest number stands for today's definition."""
    assert max(DEFINITIONS) == surface.VERSION
    assert DEFINITIONS[surface.VERSION] == surface.digest(), "raise surface.VERSION, and write its digest down here"
