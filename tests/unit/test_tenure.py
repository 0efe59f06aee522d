"""What is needed is read before anything else, for a bounded time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from motet.chassis import tenure
from motet.chassis.hop import Hop
from motet.chassis.service import Inert, Received
from motet.chassis.shard import Shard
from motet.chassis.tenure import Tenure


class Holding(Inert):
    """A handler that holds one input."""

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Nothing comes."""

    def holds(self) -> frozenset[str]:
        """Repairs."""
        return frozenset({"repairs"})


def test_commands_wait_for_the_contracts_that_were_there_before_them() -> None:
    """Up to where these ended when the shard was claimed: what comes later is in the log's order with the rest."""
    shard = Shard(0, offsets={"contracts": 3, "commands": 7, "repairs": 0})
    owned = Tenure(shard, Holding(), needed={"contracts": 5})
    assert owned.holds() == {"commands", "repairs"}
    shard.offsets["contracts"] = 5
    assert owned.holds() == {"repairs"}
    shard.offsets["contracts"] = 0
    assert owned.holds() == {"repairs"}, "once is enough"


def test_an_end_that_is_never_reached_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log may end with the marker of a transaction, which is no record."""
    monkeypatch.setattr(tenure, "CATCH_UP_SECONDS", 0.0)
    owned = Tenure(Shard(0, offsets={"contracts": 3, "commands": 7}), Holding(), needed={"contracts": 5})
    assert owned.holds() == {"repairs"}


def test_a_shard_that_needs_nothing_waits_for_nothing() -> None:
    """As most do."""
    owned = Tenure(Shard(0, offsets={"contracts": 5, "commands": 7}), Holding(), needed={"contracts": 5})
    assert owned.holds() == {"repairs"}
