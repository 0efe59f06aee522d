"""What `resources` and `why_waiting` say is so: after each input, whatever goes wrong, the rows say what the queues have."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from told import ToldStorm
from waiting import projected, truth


class Compared(ToldStorm):
    """A storm whose rows are compared with its schedule after each input."""

    def observe(self) -> None:
        """Compares."""
        super().observe()
        said, so = projected(self.told.tables), truth(self.desk.schedule)
        assert said.uses == so.uses
        assert said.reasons == so.reasons
        waiting = {who[:2] for who, _, _ in said.reasons if not who[2]}
        for plan, index, call in self.open_calls():
            if index < len(plan.calls) and call.status in ("WAITING", "RETRYING", "IN_DOUBT"):
                assert (plan.plan_id, index) in waiting, "a call waits, and nothing says why"


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_the_rows_say_who_holds_and_who_waits_and_why(seed: int, inputs: int) -> None:
    """Calls under both isolations, in parts, undone in line or in place, in doubt, stopped, late: the picture is the same at each step."""
    storm = Compared(Random(seed))  # noqa: S311  no secret
    for _ in range(inputs):
        storm.happen()
    storm.calm_down()
    assert not storm.told.tables.claims
