"""One tool: a function, what its author declared, and the contract derived from both."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import typing
from collections.abc import Callable, Mapping
from typing import Any, cast

from motet.chassis.canonical import NotCanonical, canonical_json
from motet.chassis.errors import ConfigurationError
from motet.personal import marks
from motet.personal.sealing import Sealer
from motet.records import EffectClass
from motet.tools.arguments import Arguments, DerivedArguments, GivenArguments, arguments_text
from motet.tools.claims import claims, leases, slots
from motet.tools.context import Context
from motet.tools.contract import Contract
from motet.tools.declaration import Declaration
from motet.tools.disclosing import SUBJECT_ERASED, as_given, sealing
from motet.tools.event_loop import EventLoopThread, within
from motet.tools.failure import INVALID_RESULT, Cancelled, ToolFailed, TryAgain, Unclear, exited
from motet.tools.held import Held
from motet.tools.reconciling import DidNotHappen, Happened, wants_context
from motet.tools.results import DerivedResults, GivenResults, Results
from motet.tools.signature import read_signature

MAXIMUM_DESCRIPTION_CHARACTERS = 10_000


class Tool:
    """A function ready to be called with JSON. Raises ConfigurationError for a function that no contract can describe."""

    def __init__(
        self, toolset: str, function_name: str, function: Callable[..., Any], declaration: Declaration
    ) -> None:
        where = declaration.where
        signature = read_signature(where, function, schema_given=declaration.arguments_schema is not None)
        self.function = function
        self._wants_context = signature.wants_context
        self._arguments: Arguments = (
            DerivedArguments(where, signature)
            if declaration.arguments_schema is None
            else GivenArguments(where, signature, declaration.arguments_schema)
        )
        self._results: Results = (
            DerivedResults(where, signature.returns)
            if declaration.result_schema is None
            else GivenResults(where, declaration.result_schema)
        )
        arguments_schema = self._arguments.schema
        marks.check(f"{where}: its arguments", arguments_schema, arguments_schema)
        marks.check(f"{where}: its result", json.loads(self._results.schema_text), arguments_schema)
        self._contract = Contract(
            name=f"{toolset}.{function_name}",
            version=declaration.version,
            toolset=toolset,
            description=_description(where, function),
            effect=cast("EffectClass", declaration.effect.upper()),
            arguments_schema=self._arguments.schema_text,
            result_schema=self._results.schema_text,
            claims=claims(declaration, self._arguments.schema),
            timeout_seconds=float(declaration.timeout_seconds),
            attempts=declaration.attempts,
            backoff_seconds=float(declaration.backoff_seconds),
            backoff_limit_seconds=float(declaration.backoff_limit_seconds),
            deadline_seconds=_seconds(declaration.deadline_seconds),
            heartbeat_seconds=_seconds(declaration.heartbeat_seconds),
            window_seconds=float(declaration.window_seconds),
            compensation=None
            if declaration.compensation is None
            else declaration.compensation.record(where, toolset, self._arguments.schema.get("properties", {})),
            approval=declaration.approval,
            approval_seconds=float(declaration.approval_seconds),
            cost_micros=declaration.cost_micros,
            tokens=declaration.tokens,
            breaker_failures=0 if declaration.breaker is None else declaration.breaker.failures,
            at_once=declaration.at_once,
            at_once_per=slots(declaration, self._arguments.schema),
            leases=leases(declaration, self._arguments.schema),
            lease_seconds=float(declaration.lease_seconds),
            breaker_reset_seconds=30.0 if declaration.breaker is None else float(declaration.breaker.reset_seconds),
        )
        self._reconcile = declaration.reconcile
        self._reconcile_wants_context = self._reconcile is not None and wants_context(where, self._reconcile, signature)
        self._retry_on = declaration.retry_on
        # Whether its arguments mean the same at another version of what it writes.
        self.rereads = declaration.on_conflict == "reread"
        self.leases = tuple(one.name for one in signature.arguments if is_held(one.hint))
        # Whether it may take the place of the version before although callers break by it.
        self.breaking = declaration.breaking

    @property
    def name(self) -> str:
        """The full name, `toolset.function`."""
        return self._contract.name

    @property
    def version(self) -> int:
        """The contract's version."""
        return self._contract.version

    @property
    def effect(self) -> EffectClass:
        """The effect class as records write it, such as TRANSACTIONAL."""
        return self._contract.effect

    @property
    def timeout_seconds(self) -> float:
        """Limit of one attempt. For async tools `run` holds it; a sync function cannot be stopped from outside."""
        return self._contract.timeout_seconds

    @property
    def heartbeat_seconds(self) -> float | None:
        """An attempt that says nothing for so long is given up."""
        return self._contract.heartbeat_seconds

    @property
    def window_seconds(self) -> float:
        """So long a result is kept for repeats of its key."""
        return self._contract.window_seconds

    def contract_fields(self) -> Contract:
        """The contract, equal in every process that has the same code and the same version of pydantic."""
        return self._contract

    def run(self, arguments: str, context: Context, loop: EventLoopThread | None = None) -> str:
        """Calls the function with a JSON text and returns its result as canonical JSON: what a host needs.

        Raises ToolFailed for arguments that break the contract; Unclear, its kind that says nothing of the effect, for a result that
        does and for an async tool beyond its limit; TryAgain for the tool's `retry_on`; and whatever else the function raises. Without a
        `loop` an async function gets one of its own for this call.
        """
        answer = self._answer(self.function, arguments, context, loop, given=self._wants_context)
        return self._results.write(answer, sealing(arguments, context.running.sealer))

    def reconcile(self, arguments: str, context: Context, loop: EventLoopThread | None = None) -> str | None:
        """Asks whether a former attempt happened: its result as canonical JSON, or None if it did not.

        Raises if it cannot tell: whatever the author's function raises, and ToolFailed INVALID_RESULT for an answer that is none.
        """
        if self._reconcile is None:
            raise ConfigurationError(f"{self.name} has no reconcile function; only a reconcilable tool has one")
        answer = self._answer(self._reconcile, arguments, context, loop, given=self._reconcile_wants_context)
        if isinstance(answer, Happened):
            return self._results.write(answer.result, sealing(arguments, context.running.sealer))
        if isinstance(answer, DidNotHappen):
            return None
        raise Unclear(
            f"reconcile of {self.name} returned {type(answer).__name__}, neither Happened(result) nor DidNotHappen()",
            INVALID_RESULT,
        )

    def is_about_erased(self, arguments: str, sealer: Sealer) -> bool:
        """Whether arguments, or the subject of the result, belong to somebody whose key was destroyed."""
        try:
            self._given(arguments, sealer)
        except ToolFailed as error:
            return error.code == SUBJECT_ERASED
        except TryAgain:
            return False
        return False

    def _given(self, arguments: str, sealer: Sealer) -> str:
        """Arguments with what is personal opened."""
        return as_given(arguments, self._arguments.schema, self._results.subjects, sealer)

    def _answer(
        self,
        function: Callable[..., Any],
        arguments: str,
        context: Context,
        loop: EventLoopThread | None,
        *,
        given: bool,
    ) -> Any:
        """What a function of the author's returns; `given` says whether it is given the context."""
        keywords = self._arguments.read(self._given(arguments, context.running.sealer))
        positional = (context,) if given else ()
        try:
            answer = function(*positional, **keywords)
            # Asked of the answer, not of the function: a decorator may stand between the two.
            if inspect.iscoroutine(answer):
                seconds = self.timeout_seconds
                answer = asyncio.run(within(answer, seconds)) if loop is None else loop.run(answer, seconds)
        except SystemExit as error:
            # Code written for a command line ends its process; here it ends its call.
            raise exited(error) from error
        except (ToolFailed, TryAgain, Cancelled):
            # Words are what they say, also where `retry_on` names what they are derived from.
            raise
        except self._retry_on as error:
            raise TryAgain(f"{type(error).__name__}: {error}") from error
        return answer

    def call(self, arguments: Mapping[str, Any], context: Context, loop: EventLoopThread | None = None) -> Any:
        """As `run`, from a mapping to a JSON value: exactly what the caller of a plan would read."""
        return json.loads(self.run(arguments_text(arguments), context, loop))

    def __repr__(self) -> str:
        return f"<Tool {self.name} version {self.version}, {self.effect.lower()}>"


def is_held(hint: Any) -> bool:
    """Whether an argument is a lease: `Held`, or `Held | None`."""
    return hint is Held or Held in typing.get_args(hint)


def _seconds(value: float | None) -> float | None:
    return None if value is None else float(value)


def _description(where: str, function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    text = inspect.getdoc(function) or ""
    try:
        canonical_json(text)
    except NotCanonical as error:
        raise ConfigurationError(f"{where}: its docstring cannot be published: {error}") from error
    if len(text) > MAXIMUM_DESCRIPTION_CHARACTERS:
        raise ConfigurationError(
            f"{where}: its docstring has {len(text)} characters; the limit is {MAXIMUM_DESCRIPTION_CHARACTERS}"
        )
    return text
