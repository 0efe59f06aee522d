"""What a tool's author says of a function beyond its types, checked when it is said."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypedDict, get_args

from motet.chassis.errors import ConfigurationError
from motet.tools.compensation import MAXIMUM_VERSION, Compensation
from motet.tools.cost import Cost, micros_of

EffectName = Literal["pure", "transactional", "idempotent", "reconcilable", "irreversible"]
# What becomes of a call that met another version than it expects.
OnConflict = Literal["fail", "reread"]
EFFECTS: Final[tuple[str, ...]] = get_args(EffectName)

# Letters, digits and underscores are what every model's interface accepts as a function's name.
TOOL_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
OPERATION: Final = re.compile(r"[A-Za-z0-9._-]{0,64}")
MAXIMUM_TIMEOUT_SECONDS: Final = 3_600.0
MAXIMUM_ATTEMPTS: Final = 100
# 30 days: a longer wait is more likely a mistake of units.
MAXIMUM_SECONDS: Final = 2_592_000.0
# Avro has ints of 32 bits; a long beyond this one is no exact number in JSON.
MAXIMUM_INT: Final = 2**31 - 1
MAXIMUM_LONG: Final = 2**53


@dataclass(frozen=True, slots=True)
class Breaker:
    """A circuit breaker, checked where a tool declares it.

    After `failures` failed attempts one after another the tool's calls are not tried for `reset_seconds` and fail at once; then one
    attempt finds out whether it works again.
    """

    failures: int = 5
    reset_seconds: float = 30.0


class Options(TypedDict, total=False):
    """What may be said of a tool beside its effect class; `Declaration` has the defaults and their meaning."""

    reads: Sequence[str] | str
    writes: Sequence[str] | str
    commutes: Sequence[str] | str
    operation: str
    version: int
    timeout_seconds: float
    arguments_schema: Mapping[str, Any] | None
    result_schema: Mapping[str, Any] | bool | None
    attempts: int
    backoff_seconds: float
    backoff_limit_seconds: float
    deadline_seconds: float | None
    heartbeat_seconds: float | None
    window_seconds: float
    compensation: Compensation | None
    approval: bool
    approval_seconds: float
    cost: Cost
    tokens: int
    breaker: Breaker | None
    at_once: int
    at_once_per: Mapping[str, int]
    leases: Sequence[str] | str
    lease_seconds: float
    reconcile: Callable[..., Any] | None
    retry_on: tuple[type[Exception], ...]
    on_conflict: OnConflict
    breaking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What a tool's author says, with `where` naming the tool in messages.

    `reads`, `writes` and `commutes` name resources, as `account:{source}`; `account:*` is the whole of what begins so, `*` or `{domain}` the
    whole domain, `{tool}` the tool itself. Uses that commute do so with those of the same `operation`, by any tool.

    `timeout_seconds` limits one attempt. For a transactional tool it may be beyond 8 s in the contract, but the host holds the tool to 8 s,
    because PostgreSQL ends sessions that idle in a transaction for 10 s. `heartbeat_seconds`: an attempt that says nothing for so long
    (`Context.heartbeat`) is given up before its limit.

    `attempts` (1 to 100) is how often a call is tried at most, with `backoff_seconds` before the second attempt, doubled before each further
    one up to `backoff_limit_seconds`, of which a number drawn from the call's key takes up to a half away. `deadline_seconds` limits the call
    with all its attempts and waits; without one it follows from these. `breaker` stops trying a tool that fails all the time.

    `at_once` calls of the tool are in flight at most, in each shard of the coordinator; 0 is without limit. `at_once_per` does the same by
    name, for all tools of a domain that name it: {"printer:{name}": 1}. Further calls wait, and plans take turns.

    `leases` names what is outside of the domain and needs one holder, as scope/resource: "shared/printer:{name}". The plan takes them before
    it gets in line, the call carries their tokens, and the host checks these as it checks `Held`. A plan has them for `lease_seconds` at most.

    `window_seconds`: so long the result is kept, and given to repeats of the same key. `reconcile` belongs to reconcilable tools and to no
    others (`motet.tools.reconciling`). `compensation` undoes a call whose plan failed.

    With `approval` a person must approve each call within `approval_seconds`. `cost`, in the tenant's currency in steps of a millionth, and
    `tokens` are the most that one attempt takes: so much is reserved from budgets before it starts, and `Context.spend` says what it was.

    Exceptions of the classes in `retry_on` are taken as TryAgain: name only those after which nothing has happened. `on_conflict="reread"` says
    that a transactional tool's arguments mean the same at another version (add 5, and not: set to 12): a call that meets one is tried
    again at that one, up to `attempts`. `breaking` says of a version that it may take the place of the one before although callers who name no
    version break by it (`motet tools diff` names them). These three are no part of the contract, and neither is `reconcile`; all else is.
    """

    where: str
    effect: EffectName
    reads: Sequence[str] | str = ()
    writes: Sequence[str] | str = ()
    commutes: Sequence[str] | str = ()
    operation: str = ""
    version: int = 1
    timeout_seconds: float = 30.0
    arguments_schema: Mapping[str, Any] | None = None
    result_schema: Mapping[str, Any] | bool | None = None
    attempts: int = 3
    backoff_seconds: float = 0.5
    backoff_limit_seconds: float = 30.0
    deadline_seconds: float | None = None
    heartbeat_seconds: float | None = None
    window_seconds: float = 86_400.0
    compensation: Compensation | None = None
    approval: bool = False
    approval_seconds: float = 3_600.0
    cost: Cost = 0
    tokens: int = 0
    breaker: Breaker | None = None
    at_once: int = 0
    at_once_per: Mapping[str, int] = field(default_factory=dict)
    leases: Sequence[str] | str = ()
    lease_seconds: float = 300.0
    reconcile: Callable[..., Any] | None = None
    retry_on: tuple[type[Exception], ...] = ()
    on_conflict: OnConflict = "fail"
    breaking: bool = False

    def __post_init__(self) -> None:
        check_effect(self.where, self.effect)
        self.whole("version", self.version, 1, MAXIMUM_VERSION)
        self.whole("attempts", self.attempts, 1, MAXIMUM_ATTEMPTS)
        self.whole("tokens", self.tokens, 0, MAXIMUM_LONG)
        self.whole("at_once", self.at_once, 0, MAXIMUM_INT)
        self._check_times()
        self._check_kinds()
        if (self.effect == "reconcilable") != (self.reconcile is not None):
            raise ConfigurationError(
                f"{self.where}: reconcile belongs to effect 'reconcilable', and that one needs it: a function with the tool's parameters "
                "that returns Happened(result) or DidNotHappen()"
            )
        if self.on_conflict not in get_args(OnConflict):
            raise ConfigurationError(
                f"{self.where}: on_conflict {self.on_conflict!r} is none of {', '.join(get_args(OnConflict))}"
            )
        if self.on_conflict != "fail" and self.effect != "transactional":
            raise ConfigurationError(
                f"{self.where}: on_conflict belongs to effect 'transactional', whose resources have versions"
            )
        if self.breaker is not None:
            self.whole("breaker.failures", self.breaker.failures, 1, MAXIMUM_INT)
            self.seconds("breaker.reset_seconds", self.breaker.reset_seconds, MAXIMUM_SECONDS)
        # Said here, so that a wrong cost is seen where it is written.
        _ = self.cost_micros

    @property
    def cost_micros(self) -> int:
        """The cost in millionths of the tenant's currency."""
        try:
            micros = micros_of(self.cost)
        except ValueError as error:
            raise ConfigurationError(f"{self.where}: {error}") from error
        if micros != int(micros):
            raise ConfigurationError(
                f"{self.where}: cost {self.cost!r} is no multiple of a millionth (0.000001), in which budgets count"
            )
        return int(micros)

    def whole(self, name: str, value: object, least: int, most: int) -> None:
        """Refuses what is no whole number within limits."""
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ConfigurationError(f"{self.where}: {name} {value!r} is not an integer from {least} to {most}")

    def seconds(self, name: str, value: object, most: float) -> None:
        """Refuses what is no duration within limits."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not _within(value, most):
            raise ConfigurationError(f"{self.where}: {name} {value!r} is not a number above 0 and up to {most:.0f}")

    def _check_times(self) -> None:
        self.seconds("timeout_seconds", self.timeout_seconds, MAXIMUM_TIMEOUT_SECONDS)
        for name in ("backoff_seconds", "backoff_limit_seconds", "window_seconds", "approval_seconds", "lease_seconds"):
            self.seconds(name, getattr(self, name), MAXIMUM_SECONDS)
        if self.deadline_seconds is not None:
            self.seconds("deadline_seconds", self.deadline_seconds, MAXIMUM_SECONDS)
        if self.heartbeat_seconds is not None:
            self.seconds("heartbeat_seconds", self.heartbeat_seconds, MAXIMUM_TIMEOUT_SECONDS)
        self._no_longer("backoff_seconds", "backoff_limit_seconds")
        self._no_longer("heartbeat_seconds", "timeout_seconds")

    def _no_longer(self, shorter: str, longer: str) -> None:
        """Refuses two durations of which the first would never count."""
        one, other = getattr(self, shorter), getattr(self, longer)
        if one is not None and one > other:
            raise ConfigurationError(
                f"{self.where}: {shorter} {one!r} is beyond {longer} {other!r}, so it would never count"
            )

    def _check_kinds(self) -> None:
        """Values of the wrong type, where a number's check does not see them."""
        if not isinstance(self.operation, str) or not OPERATION.fullmatch(self.operation):
            raise ConfigurationError(
                f"{self.where}: operation {self.operation!r} is not up to 64 letters, digits, dots, dashes or underscores"
            )
        if self.operation and not self.commutes:
            raise ConfigurationError(
                f"{self.where}: operation {self.operation!r} says which uses commute, and commutes names no resource"
            )
        for name in ("approval", "breaking"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigurationError(f"{self.where}: {name} {getattr(self, name)!r} is not True or False")
        if self.breaker is not None and not isinstance(self.breaker, Breaker):
            raise ConfigurationError(
                f"{self.where}: breaker {self.breaker!r} is not a Breaker(failures=…, reset_seconds=…)"
            )
        if self.compensation is not None and not isinstance(self.compensation, Compensation):
            raise ConfigurationError(
                f'{self.where}: compensation {self.compensation!r} is not a Compensation("tool", name=argument("name"))'
            )
        if not isinstance(self.retry_on, tuple) or not all(map(_is_exception, self.retry_on)):
            raise ConfigurationError(
                f"{self.where}: retry_on {self.retry_on!r} is not a tuple of exception classes, such as (ConnectionError,)"
            )


def check_effect(where: str, effect: object) -> None:
    """Refuses what is no effect class."""
    if callable(effect):
        raise ConfigurationError(
            f'{where}: the decorator needs to know what a crash means for the tool: write @tools.tool(effect="pure") with one '
            f"of {', '.join(EFFECTS)}"
        )
    if effect not in EFFECTS:
        raise ConfigurationError(f"{where}: effect {effect!r} is none of {', '.join(EFFECTS)}")


def _within(seconds: float, most: float) -> bool:
    return math.isfinite(seconds) and 0 < seconds <= most


def _is_exception(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)
