"""Personal values at the client: sealed before Kafka has them, opened in what it is told. Only for who reaches the subjects' keys."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from motet.chassis.canonical import canonical_json
from motet.chassis.errors import ConfigurationError
from motet.chassis.subject_keys import KeysUnavailable, SubjectKeys
from motet.client.outcome import Outcome
from motet.personal.marks import NotAsDeclared, filled, sealed
from motet.personal.sealing import KeyErased, NoSuchKey, opened, seal, unseal
from motet.personal.text import BEGIN, MARK
from motet.records import PlannedCall, SubmitPlan, ToolContract

# So long contracts that were read are taken for the newest. A tool that has more personal arguments since refuses what is not sealed.
KNOWN_SECONDS: Final = 30.0

Contracts = Mapping[tuple[str, int | None], ToolContract]


class Disclosure:
    """Seals and opens with the keys of a database; `read` has all contracts, the newest of a tool under the version None."""

    def __init__(self, keys: SubjectKeys, read: Callable[[], Contracts]) -> None:
        self.keys = keys
        self.read = read
        self.known: Contracts = {}
        self.read_at = 0.0

    def plan(self, plan: SubmitPlan) -> SubmitPlan:
        """A plan with its calls' personal arguments sealed. Raises ConfigurationError, KeyErased, KeysUnavailable."""
        return replace(plan, calls=tuple(self.call(plan.tenant, call) for call in plan.calls))

    def call(self, tenant: str, call: PlannedCall) -> PlannedCall:
        """A call; what its contract says nothing of stays as it is, and is refused at its admission."""
        contract = self.contract(call.tool, call.contract_version)
        if contract is None or MARK not in contract.arguments_schema:
            return call
        arguments = json.loads(call.arguments)

        def sealing(subject: str, value: Any) -> str:
            return seal(self.keys.of(tenant, filled(subject, arguments)), tenant, value)

        try:
            told = sealed(json.loads(contract.arguments_schema), arguments, sealing)
        except NotAsDeclared as error:
            raise ConfigurationError(f"call {call.call_id} ({call.tool}): {error}") from error
        return replace(call, arguments=canonical_json(told))

    def contract(self, tool: str, version: int | None) -> ToolContract | None:
        """The contract of a tool."""
        now = time.monotonic()
        if (tool, version) not in self.known or now - self.read_at > KNOWN_SECONDS:
            self.known, self.read_at = self.read(), now
        return self.known.get((tool, version))

    def outcome(self, tenant: str, outcome: Outcome) -> Outcome:
        """An outcome with what can be opened opened; what cannot stays sealed."""
        try:
            results = tuple(
                one
                if one.result is None or BEGIN not in one.result
                else replace(one, result=self.opened(tenant, one.result))
                for one in outcome.results
            )
        except KeysUnavailable:
            return outcome
        return replace(outcome, results=results)

    def opened(self, tenant: str, text: str) -> str:
        """Canonical JSON with its sealed texts opened."""
        return canonical_json(opened(json.loads(text), lambda one: self.one(tenant, one)))

    def one(self, tenant: str, text: str) -> Any:
        """The value of a sealed text, or the text itself if there is no key for it. Raises KeysUnavailable."""
        try:
            return unseal(self.keys, tenant, text)
        except (KeyErased, NoSuchKey):
            return text

    def close(self) -> None:
        """Ends the connection."""
        self.keys.close()
