"""What an author writes of an agent: a name, a state, and a function for each thing that it hears."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pydantic import TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from motet.agency.actions import Action
from motet.agency.hearing import Heard, Message, PlanDone
from motet.agency.limits import AgentLimits
from motet.chassis.canonical import canonical_json
from motet.chassis.errors import ConfigurationError
from motet.chassis.loading import load_one

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
ANY_PLAN: Final = ""

S = TypeVar("S")
# The new state, alone or with what is to be done, in order.
Decision = Any
Function = Callable[[Any, Any], Decision]
F = TypeVar("F", bound=Callable[..., Any])


class Wrong(Exception):
    """An agent's function returned what is no decision: the conversation ends with this message."""


class Agent(Generic[S]):
    """An agent: its functions, by what they are about.

    `state` is a type that JSON can carry and that can be made without arguments: a dataclass, a pydantic model, dict. `tells` names the agents
    that it may send messages to. `version` is of its definition; plans carry `name@version` as their workflow; `fingerprint` goes into its code's version. Who asks this agent
    something must be among `tells` as well, or could not be answered. Raises ConfigurationError.
    """

    def __init__(
        self,
        name: str,
        *,
        state: type[S],
        tells: Sequence[str] = (),
        limits: AgentLimits | None = None,
        version: int = 1,
        fingerprint: str = "",
    ) -> None:
        for one in (name, *tells):
            if not isinstance(one, str) or not NAME.fullmatch(one):
                raise ConfigurationError(
                    f"the agent name {one!r} is not a lower-case letter followed by up to 39 lower-case letters, digits or hyphens"
                )
        self.name = name
        self.tells = tuple(tells)
        self.limits = limits or AgentLimits()
        self.version = version
        # What it is made of beside the files of its functions, as a part of its code's version.
        self.fingerprint = fingerprint
        self._message: Function | None = None
        self._plans: dict[str, Function] = {}
        try:
            self._state: TypeAdapter[S] = TypeAdapter(state)
            self.first = self.written(state())
            unordered = '"uniqueItems": true' in json.dumps(self._state.json_schema())
        except (PydanticSchemaGenerationError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"agent {name}: its state {state!r} cannot begin or be kept as JSON ({' '.join(str(error).split())}); give a dataclass or a "
                "pydantic model whose fields all have defaults"
            ) from error
        if unordered:
            raise ConfigurationError(
                f"agent {name}: its state has a set, whose order is another one in each process; keep a list"
            )

    # -- what it does ------------------------------------------------------------------------------------------------------

    def on_message(self, function: F) -> F:
        """A decorator: the function for messages. It takes the state and a `Message`."""
        self._message = self._taken(self._message, function, "messages")
        return function

    def on_plan(self, label: str | None = None) -> Callable[[F], F]:
        """A decorator: the function for plans that ended, of one label, or of all that have none of their own. It takes the state and a `PlanDone`."""

        def add(function: F) -> F:
            where = ANY_PLAN if label is None else label
            self._plans[where] = self._taken(self._plans.get(where), function, f"plans {label or ''}")
            return function

        return add

    def _taken(self, before: Function | None, function: Function, what: str) -> Function:
        if before is not None:
            raise ConfigurationError(f"agent {self.name} has a function for {what.strip()} already")
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise ConfigurationError(
                f"agent {self.name}: {function!r} decides nothing: give a plain function; what takes time is a tool's"
            )
        return function

    def check(self) -> None:
        """What only shows once all functions are there. Raises ConfigurationError."""
        if self._message is None:
            raise ConfigurationError(
                f"agent {self.name} has no function for messages: nothing could ever begin; decorate one with @….on_message"
            )

    def decide(self, state: str, heard: Heard) -> tuple[str, tuple[Action, ...]]:
        """What the agent's function makes of a state and an input: the new state and what is to be done. Pure, if the function is.

        Raises Wrong for what is no decision, and whatever the function raises.
        """
        function = self._function_for(heard)
        answer = function(self._state.validate_json(state), heard)
        new, *actions = answer if isinstance(answer, tuple) else (answer,)
        strange = [one for one in actions if not isinstance(one, Action)]
        if strange:
            raise Wrong(
                f"{function.__name__} returned {strange[0]!r}, which is no action; return the state, and behind it Plan, Send, Say, Ask, Done or Fail"
            )
        try:
            return self.written(new), tuple(actions)
        except (ValueError, TypeError) as error:
            raise Wrong(f"{function.__name__} returned a state that is none: {' '.join(str(error).split())}") from error

    def _function_for(self, heard: Heard) -> Function:
        if isinstance(heard, Message):
            found = self._message
        else:
            found = self._plans.get(heard.label) or self._plans.get(ANY_PLAN)
        if found is None:
            what = f"the plan {heard.label!r}" if isinstance(heard, PlanDone) else "messages"
            raise Wrong(f"agent {self.name} has no function for {what}")
        return found

    def written(self, state: S) -> str:
        """A state as canonical JSON."""
        checked = self._state.validate_python(state)
        return canonical_json(self._state.dump_python(checked, mode="json"))

    @property
    def workflow(self) -> str:
        """What its plans say that they are instances of."""
        return f"{self.name}@{self.version}"

    def sources(self) -> set[Path]:
        """The files in which its functions are written."""
        functions = filter(None, (self._message, *self._plans.values()))
        found = (inspect.getsourcefile(inspect.unwrap(one)) for one in functions)
        return {Path(file) for file in found if file is not None}

    def __repr__(self) -> str:
        return f"<Agent {self.name}>"


def load(reference: str) -> Agent[Any]:
    """The agent at `package.module`, `file.py` or one of both with `:attribute`. Raises ConfigurationError."""
    agent = load_one(reference, Agent, 'agent = Agent("name", state=dict)')
    agent.check()
    return agent
