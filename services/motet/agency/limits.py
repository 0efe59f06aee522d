"""How far one conversation of an agent may go."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from motet.chassis.errors import ConfigurationError
from motet.client.policy import Budget
from motet.records import Amounts

MOST_CONTENT_BYTES: Final = 500_000
MOST_SECONDS: Final = 31_536_000.0
SMALLEST: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits:
    """Limits of a conversation; beyond one it ends with LIMIT_REACHED, which names it.

    `seconds` is how long it may last from its first message on, by Kafka's time, whoever it waits for (a week, if nothing is said). `steps` are decisions, `calls` those of all its plans, `open_plans` those that run at once. `cost` (in the tenant's currency) and `tokens` are
    what its plans may take: each plan gets what is left as its budget, several of one step share it evenly. `state_bytes` and
    `content_bytes` bound a state and a message, as JSON.
    """

    seconds: float = 604_800.0
    steps: int = 100
    calls: int = 1_000
    open_plans: int = 16
    cost: float | str | Decimal | None = None
    tokens: int | None = None
    state_bytes: int = 1_000_000
    content_bytes: int = 262_144

    def __post_init__(self) -> None:
        for name in ("steps", "calls", "open_plans", "state_bytes", "content_bytes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"AgentLimits: {name} {value!r} is not an integer from 1")
        if isinstance(self.seconds, bool) or not 0 < self.seconds <= MOST_SECONDS:
            raise ConfigurationError(
                f"AgentLimits: seconds {self.seconds!r} is not above 0 and up to {MOST_SECONDS:.0f}, a year"
            )
        if self.content_bytes > MOST_CONTENT_BYTES:
            raise ConfigurationError(f"AgentLimits: content_bytes {self.content_bytes} is beyond {MOST_CONTENT_BYTES}")
        for name in ("cost", "tokens"):
            value = getattr(self, name)
            try:
                good = value is None or Decimal(str(value)) >= SMALLEST
            except InvalidOperation:
                good = False
            if not good:
                raise ConfigurationError(
                    f"AgentLimits: {name} {value!r} is no amount above 0, of a millionth at least; None is without limit"
                )

    @property
    def amounts(self) -> Amounts:
        """What plans may take, as records carry it."""
        return Budget(cost=self.cost, tokens=self.tokens).record()
