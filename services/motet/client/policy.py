"""What a plan does when not everything goes well, as people write it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, cast

from motet import records

MICROS = 1_000_000
MILLISECONDS = 1_000


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent at most; None is without limit. `cost` in the tenant's currency, `seconds` of running time added up."""

    calls: int | None = None
    cost: float | str | Decimal | None = None
    tokens: int | None = None
    seconds: float | None = None

    def record(self) -> records.Amounts:
        """As records carry it."""
        return records.Amounts(
            self.calls,
            None if self.cost is None else int(Decimal(str(self.cost)) * MICROS),
            self.tokens,
            None if self.seconds is None else int(self.seconds * MILLISECONDS),
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """`batch`: all calls run to their end, the first failure stops the others, or `quorum` successes are enough.

    `on_failure`: a plan that cannot succeed ends ("stop"), runs also the calls behind failed ones ("continue"), or undoes what succeeded
    ("compensate"). `in_doubt`: it waits until a call in doubt is settled, or ends with it. `quarantine`: it waits for resources of calls in
    doubt, or is rejected. `unknown_resources`: where what a call uses follows from an earlier result, the plan holds the whole of what that
    may be from its admission on, or gets in line for it once it is known, at most `unknown_seconds` later, as a part of its own that no
    longer is one with the rest ("line_up"), or is rejected. After `deadline_seconds` it ends, whatever still runs.
    """

    batch: Literal["collect_all", "fail_fast", "quorum"] = "collect_all"
    quorum: int | None = None
    on_failure: Literal["stop", "continue", "compensate"] = "stop"
    in_doubt: Literal["hold", "end"] = "hold"
    quarantine: Literal["wait", "refuse"] = "wait"
    deadline_seconds: float | None = None
    budget: Budget | None = None
    unknown_resources: Literal["hold", "line_up", "refuse"] = "hold"
    unknown_seconds: float | None = None

    def record(self) -> records.Policy:
        """As records carry it."""
        return records.Policy(
            cast("records.BatchPolicy", self.batch.upper()),
            self.quorum,
            cast("records.OnFailure", self.on_failure.upper()),
            cast("records.OnDoubt", self.in_doubt.upper()),
            cast("records.OnQuarantine", self.quarantine.upper()),
            self.deadline_seconds,
            None if self.budget is None else self.budget.record(),
            cast("records.OnUnknown", self.unknown_resources.upper()),
            self.unknown_seconds,
        )
