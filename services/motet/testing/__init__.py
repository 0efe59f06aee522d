"""Tests of your own tools and plans: as functions, in memory with faults, on the real platform, and under SIGKILL.

    from motet.testing import Fault, Rehearsal, call

    assert call(tools, "shop.price", {"item": "pen"}) == 2           # one tool, as a function
    rehearsal = Rehearsal(tools, seed=7, faults=[Fault("shop.pay", what="crash_after")])
    assert rehearsal.run([Call("shop.pay", {"amount": 5})]).status == "SUCCEEDED"

`Rehearsal` runs plans on the services' own deciders, without Kafka and PostgreSQL. The pytest plugin (`motet.testing.plugin`) has fixtures for
the real platform, and `motet prove FILE` kills the real tool service at each point and counts effects; `Proof` says how. docs/testing.md tells
all of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from motet.testing.calling import call
    from motet.testing.effects import Effects
    from motet.testing.faults import Fault
    from motet.testing.proof import Proof
    from motet.testing.rehearsal import Planned, Rehearsal, StillOpen

# Where each name is: the plugin is loaded in every run of pytest, and most of them need nothing of it.
PLACES: Final = {
    "Effects": "effects",
    "Fault": "faults",
    "Planned": "rehearsal",
    "Proof": "proof",
    "Rehearsal": "rehearsal",
    "StillOpen": "rehearsal",
    "call": "calling",
}
__all__ = ["Effects", "Fault", "Planned", "Proof", "Rehearsal", "StillOpen", "call"]


def __getattr__(name: str) -> Any:
    """Loads what is asked for."""
    if name not in PLACES:
        raise AttributeError(f"module 'motet.testing' has no attribute {name!r}")
    return getattr(import_module(f"motet.testing.{PLACES[name]}"), name)
