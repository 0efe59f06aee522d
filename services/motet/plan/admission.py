"""Admission: a command against the contracts. It never raises for what a client sent: it collects every reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final

from motet.chassis.canonical import NotCanonical, canonical_json, sha256_text
from motet.plan import rules
from motet.plan.arguments import BadArguments, parse, references
from motet.plan.choreography import conflicts
from motet.plan.contracts import Contract, Contracts, UnknownResource, claim_faults
from motet.plan.expectations import expectation_faults
from motet.plan.graph import find_cycle
from motet.plan.hybrid import INSTEAD, uses
from motet.plan.leases import Needs
from motet.plan.limits import Limits
from motet.plan.model import Call, Plan
from motet.plan.policies import policy_reasons
from motet.plan.spending import Ledger, limit_of
from motet.plan.text import carriable
from motet.plan.undo import claims_before
from motet.plan.waits import MILLISECONDS
from motet.records import Claim, PlannedCall, Reason, SubmitPlan
from motet.resources import merged

# Looking for similar names costs milliseconds; one plan may name hundreds of unknown tools.
HINTS: Final = 3
TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def admit(
    command: SubmitPlan,
    plan_id: str,
    size_bytes: int,
    contracts: Contracts,
    limits: Limits,
    now: int,
    version: int = rules.CURRENT,
) -> Plan | tuple[Reason, ...]:
    """The plan of a command, or all reasons why it is none.

    `now` is the command's time in the log, in milliseconds since 1970; `version` says by which rules it is decided.
    """
    whole = list(whole_reasons(command, size_bytes, limits))
    if whole:
        return tuple(whole)
    admission = Admission(command, contracts, limits)
    for index in range(len(command.calls)):
        admission.check_call(index)
    admission.check_order()
    admission.check_waits()
    admission.check_size()
    if admission.reasons:
        return admission.shown()
    policy = command.policy
    seconds = limits.plan_seconds if policy.deadline_seconds is None else policy.deadline_seconds
    return Plan(
        plan_id,
        command.idempotency_key,
        command.tenant,
        command.domain,
        command.agent,
        command.isolation,
        command.correlation_id,
        valid_traceparent(command.traceparent),
        admission.calls,
        policy=policy,
        rules=version,
        admitted=now,
        deadline=now + int(seconds * MILLISECONDS),
        ledger=None if policy.budget is None else Ledger(limit_of(policy.budget)),
        in_line=admission.undone_in_line,
        reserves=admission.reserves,
        known_by=now + int(admission.unknown_seconds * MILLISECONDS) if admission.unknown_seconds else 0,
        workflow=command.workflow,
        leases=admission.needs.leased(),
        lease_wait=admission.needs.wait_ms,
    )


def whole_reasons(command: SubmitPlan, size_bytes: int, limits: Limits) -> Iterator[Reason]:
    """What is wrong with a command as a whole: then its calls are not looked at."""
    if not command.calls:
        yield Reason("EMPTY_PLAN", "the plan has no calls", None)
    if len(command.calls) > limits.calls_per_plan:
        message = f"the plan has {len(command.calls)} calls; the limit is {limits.calls_per_plan}: split it"
        yield Reason("TOO_MANY_CALLS", message, None)
    if size_bytes > limits.command_bytes:
        message = (
            f"the command has {size_bytes} bytes; the limit is {limits.command_bytes}: pass large data by reference"
        )
        yield Reason("TOO_LARGE", message, None)
    if command.mode == "UNKNOWN":
        yield Reason("BAD_POLICY", "mode is a word that this version does not know", None)
    yield from policy_reasons(command.policy, len(command.calls), limits)
    named = [("idempotency_key", command.idempotency_key), ("agent", command.agent)]
    said = {name: getattr(command, name) for name in ("correlation_id", "caused_by", "workflow")}
    named += [(name, value) for name, value in said.items() if value is not None]
    for name, value in named:
        fault = identifier_fault(value, limits)
        if fault:
            yield Reason("BAD_IDENTIFIER", f"{name} {fault}", None)


def valid_traceparent(text: str | None) -> str | None:
    """A W3C trace context's traceparent, or None: what is none is ignored, as the W3C says, and never refused."""
    return text if text is not None and TRACEPARENT.fullmatch(text) else None


def valid_correlation(text: str | None, limits: Limits) -> str | None:
    """A correlation id that a fact may carry, or None."""
    return text if text is not None and identifier_fault(text, limits) is None else None


def identifier_fault(value: str, limits: Limits) -> str | None:
    """What is wrong with a name, or None."""
    if not value:
        return "is empty"
    if len(value) > limits.identifier_length:
        return f"has {len(value)} characters; the limit is {limits.identifier_length}"
    if not value.isprintable():
        return f"{value[:50]!r} has characters that cannot be printed"
    return None


class Admission:
    """The reasons and the calls as they are found."""

    def __init__(self, command: SubmitPlan, contracts: Contracts, limits: Limits) -> None:
        self.command = command
        self.contracts = contracts
        self.limits = limits
        self.reasons: list[Reason] = []
        self.calls: list[Call] = []
        self.edges: list[tuple[int, ...]] = []
        self.hints = HINTS
        self.needs = Needs(command, limits)
        # What a hybrid plan asks for.
        self.reserves: tuple[Claim, ...] = ()
        self.compensates = command.policy.on_failure == "COMPENSATE"
        # Whether compensations get in line by themselves, because the plan will not hold what they use when they run.
        self.undone_in_line = command.isolation != "PLAN" or not self.compensates
        # So long it may take until it is known what the calls use; 0 if that is known already.
        self.unknown_seconds = 0.0
        self.index_of: dict[str, int] = {}
        for index, call in enumerate(command.calls):
            self.index_of.setdefault(call.call_id, index)

    def refuse(self, code: str, message: str, call_id: str | None) -> None:
        """Notes a reason. What it quotes is cut and made text that every reader can take."""
        shown = None if call_id is None else carriable(call_id, self.limits.identifier_length)
        self.reasons.append(Reason(code, carriable(message, self.limits.message_length), shown))

    def shown(self) -> tuple[Reason, ...]:
        """The reasons for the event; if there are too many, the last one says how many are left out."""
        limit = self.limits.reasons_shown
        if len(self.reasons) <= limit:
            return tuple(self.reasons)
        message = f"{len(self.reasons) - limit} more reasons are not shown; the limit is {limit}"
        return (*self.reasons[:limit], Reason("MORE_REASONS", message, None))

    def check_call(self, index: int) -> None:
        """Checks one call; it becomes a Call if nothing is wrong with it."""
        call = self.command.calls[index]
        fault = identifier_fault(call.call_id, self.limits)
        if fault:
            self.refuse("BAD_IDENTIFIER", f"call_id of call {index} {fault}", call.call_id)
        if self.index_of[call.call_id] != index:
            message = f"calls {self.index_of[call.call_id]} and {index} have the same id {call.call_id!r}"
            self.refuse("DUPLICATE_CALL_ID", message, call.call_id)
        after = self.named(call)
        arguments = self.arguments_of(call)
        refers = False
        if arguments is not None:
            before = self.referred(call, arguments)
            refers = bool(before)
            after += before
        self.edges.append(tuple(sorted(set(after))))
        contract = self.contract_of(call)
        if contract is None or arguments is None:
            return
        # Canonical first: neither the schema's validator nor a resource's name can take what has no canonical form.
        text = self.canonical(call, arguments)
        if text is None:
            return
        faults = [] if refers else list(islice(contract.faults(arguments), self.limits.faults_per_call))
        for message in faults:
            self.refuse("ARGUMENTS_INVALID", message, call.call_id)
        if faults:
            # Resources of wrong arguments would be the same mistake told twice.
            return
        claims = self.claims_of(call, contract, arguments, refers=refers)
        if claims is None:
            return
        unknown = refers and self.waits_inside(call, contract, arguments)
        record = contract.record
        undoing = self.undoing_of(call, contract)
        self.check_mode(call, contract, claims, undoing, arguments)
        if self.compensates and undoing is not None and record.effect != "PURE":
            more = claims_before(arguments, contract, undoing, self.command.tenant, self.command.domain)
            self.undone_in_line = self.undone_in_line or more is None
            claims = merged((*claims, *(more or ())))
        leases = self.needs.call(call.call_id, contract, undoing, arguments)
        approval, seconds = self.approval_of(call, contract)
        self.check_expected(call, record.effect)
        self.calls.append(
            Call(
                call.call_id,
                call.tool,
                record.version,
                text,
                sha256_text(text),
                self.edges[index],
                claims,
                record.effect,
                refers,
                approval="NEEDED" if approval else "",
                approval_seconds=seconds if approval else 0.0,
                unknown=unknown,
                undo_version=0 if undoing is None else undoing.record.version,
                expected={one.resource: one.version for one in call.expected_versions},
                leases=leases,
            )
        )

    def waits_inside(self, call: PlannedCall, contract: Contract, arguments: dict[str, Any]) -> bool:
        """Whether a call's resources follow from a result, and what the plan does about that."""
        template = contract.unknown(arguments)
        if not template:
            return False
        how = self.command.policy.unknown_resources
        if how == "REFUSE":
            message = (
                f"resource {template} follows from an earlier result, and the plan's unknown_resources is REFUSE: give the argument "
                "literally, make it a plan of its own, or let the plan HOLD the whole of it or LINE_UP once it is known"
            )
            self.refuse("RESOURCE_NOT_KNOWN", message, call.call_id)
        seconds, policy = self.limits.unknown_seconds, self.command.policy
        self.unknown_seconds = seconds if policy.unknown_seconds is None else policy.unknown_seconds
        # A plan of parts cannot hold anything until it ends.
        self.undone_in_line = self.undone_in_line or how == "LINE_UP"
        return True

    def check_expected(self, call: PlannedCall, effect: str) -> None:
        """Refuses versions that nobody could look at."""
        for message in expectation_faults(call, effect, self.limits):
            self.refuse("BAD_EXPECTED_VERSION", message, call.call_id)

    def check_mode(
        self,
        call: PlannedCall,
        contract: Contract,
        claims: tuple[Claim, ...],
        undoing: Contract | None,
        arguments: dict[str, Any],
    ) -> None:
        """Without lines nothing may conflict with anybody; with lines elsewhere everything that is used must be known."""
        if self.command.mode == "CHOREOGRAPHED":
            expected = {one.resource for one in call.expected_versions}
            for message in conflicts(call.tool, contract, claims, undoing, expected):
                self.refuse("NOT_CHOREOGRAPHABLE", message, call.call_id)
        if self.command.mode == "HYBRID":
            used = uses(contract, claims, undoing, arguments, self.command.tenant, self.command.domain)
            if isinstance(used, str):
                self.refuse("NOT_HYBRID", used, call.call_id)
            else:
                self.reserves = merged((*self.reserves, *used))

    def check_waits(self) -> None:
        """Refuses a plan that would keep what it reserved or leased while it waits for a person, and leases that nobody would grant."""
        for code, why, call_id in self.needs.reasons(self.calls):
            self.refuse(code, why, call_id)
        if self.reserves:
            for call in self.calls:
                if call.unknown and self.command.policy.unknown_resources == "LINE_UP":
                    message = f"what {call.tool} uses follows from a result, and a hybrid plan asks for everything at once: let it HOLD"
                    self.refuse("NOT_HYBRID", message, call.call_id)
                if call.approval:
                    message = (
                        f"{call.tool} waits for a person, and a hybrid plan has all its resources before anything of it runs: "
                        f"{INSTEAD}, or this call in a plan of its own"
                    )
                    self.refuse("NOT_HYBRID", message, call.call_id)

    def named(self, call: PlannedCall) -> list[int]:
        """The calls that `after` names."""
        out = []
        for name in call.after:
            if name in self.index_of:
                out.append(self.index_of[name])
            else:
                self.refuse("UNKNOWN_AFTER", f"after names {name[:100]!r}, which is no call of this plan", call.call_id)
        return out

    def arguments_of(self, call: PlannedCall) -> dict[str, Any] | None:
        """The arguments, or None with a reason noted."""
        if not self.fits(call, call.arguments):
            return None
        try:
            return parse(call.arguments, self.limits.argument_depth)
        except BadArguments as error:
            self.refuse(error.code, str(error), call.call_id)
            return None

    def referred(self, call: PlannedCall, arguments: dict[str, Any]) -> list[int]:
        """The calls whose results the arguments take."""
        out = []
        try:
            for target in references(arguments):
                if target.call_id in self.index_of:
                    out.append(self.index_of[target.call_id])
                else:
                    message = (
                        f"the arguments take the result of {target.call_id[:100]!r}, which is no call of this plan"
                    )
                    self.refuse("UNKNOWN_REFERENCE", message, call.call_id)
        except BadArguments as error:
            self.refuse(error.code, str(error), call.call_id)
        return out

    def contract_of(self, call: PlannedCall) -> Contract | None:
        """The contract, or None with a reason noted."""
        contract = self.contracts.get(call.tool, call.contract_version)
        if contract is not None:
            return contract
        versions = self.contracts.versions.get(call.tool)
        if versions:
            have = ", ".join(str(version) for version in versions)
            message = f"{call.tool} has no version {call.contract_version}; there are {have}"
            self.refuse("UNKNOWN_CONTRACT_VERSION", message, call.call_id)
        else:
            self.hints -= 1
            close = get_close_matches(call.tool[:200], self.contracts.versions, n=3) if self.hints >= 0 else ()
            hint = f"; did you mean {', '.join(close)}?" if close else ""
            self.refuse("UNKNOWN_TOOL", f"no tool is named {call.tool[:200]!r}{hint}", call.call_id)
        return None

    def approval_of(self, call: PlannedCall, contract: Contract) -> tuple[bool, float]:
        """Whether a person must approve a call, and how long that may take."""
        record = contract.record
        approval = record.approval or call.approval
        # Calls that wait for a person get in line when they are approved, and the plan cannot hold anything for so long.
        self.undone_in_line = self.undone_in_line or approval
        seconds = record.approval_seconds if call.approval_seconds is None else call.approval_seconds
        if not 0 < seconds <= self.limits.longest_plan_seconds:
            message = f"approval_seconds is {seconds:g}; it is above 0 and at most {self.limits.longest_plan_seconds:g}"
            self.refuse("BAD_POLICY", message, call.call_id)
        return approval, seconds

    def undoing_of(self, call: PlannedCall, contract: Contract) -> Contract | None:
        """The contract of the tool that undoes a call, as it is known now; a plan that compensates needs it."""
        how = contract.record.compensation
        if how is None:
            return None
        undoing = self.contracts.get(how.tool, how.contract_version)
        if undoing is None and self.compensates:
            message = f"{call.tool} is undone by {how.tool}, which has no contract: is its tool service running?"
            self.refuse("UNKNOWN_COMPENSATION", message, call.call_id)
        return undoing

    def claims_of(
        self, call: PlannedCall, contract: Contract, arguments: dict[str, Any], *, refers: bool
    ) -> tuple[Claim, ...] | None:
        """The resources of a call, or None with a reason noted."""
        try:
            claims = contract.claims(arguments, self.command.tenant, self.command.domain)
            if not refers:
                # Those of other calls are filled in when the results are there.
                contract.slots(arguments, self.command.tenant, self.command.domain)
        except UnknownResource as error:
            self.refuse("RESOURCE_NOT_KNOWN", str(error), call.call_id)
            return None
        for code, message in islice(claim_faults(claims, self.limits), 1):
            self.refuse(code, message, call.call_id)
            return None
        return claims

    def canonical(self, call: PlannedCall, arguments: dict[str, Any]) -> str | None:
        """The canonical text, or None with a reason noted."""
        try:
            text = canonical_json(arguments)
        except NotCanonical as error:
            self.refuse("ARGUMENTS_NOT_JSON", str(error), call.call_id)
            return None
        return text if self.fits(call, text) else None

    def fits(self, call: PlannedCall, text: str) -> bool:
        """Whether arguments keep to their limit; if not, a reason is noted."""
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > self.limits.argument_bytes:
            message = f"the arguments have {size} bytes; the limit is {self.limits.argument_bytes}: pass large data by reference"
            self.refuse("TOO_LARGE", message, call.call_id)
        return size <= self.limits.argument_bytes

    def check_size(self) -> None:
        """Refuses a plan that would not fit into its own events."""
        texts = (
            text
            for call in self.calls
            for text in (call.arguments, *call.leases, *(claim.resource for claim in call.claims))
        )
        size = sum(len(text.encode()) for text in (*texts, *(claim.resource for claim in self.reserves)))
        if size > self.limits.admitted_bytes:
            message = (
                f"canonical arguments and resources have {size} bytes; the limit is {self.limits.admitted_bytes}: "
            )
            self.refuse("TOO_LARGE", f"{message}split the plan, or pass large data by reference", None)

    def check_order(self) -> None:
        """Refuses a cycle, naming its calls."""
        cycle = find_cycle(self.edges)
        if cycle:
            names = [self.command.calls[index].call_id[:50] for index in cycle]
            self.refuse("CYCLE", f"the calls wait for each other: {' after '.join([*names, names[0]])}", names[0])
