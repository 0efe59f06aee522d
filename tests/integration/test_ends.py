"""The table of `tests/ends.py`: every fault and its end, with real processes, real kills, and the outside witness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

import pytest

import ends
from ends import AFTER, ANSWERED, BEFORE, DONE, DURING, END, HOLD, ROWS, Row
from motet.chassis.waiting import wait_until
from motet.client import Budget, Call, Client, Outcome, Policy, Refused, Submitted
from motet.platform import Addresses
from witness import Witness
from world import World

SECONDS: Final = 40.0
CRASH_AT: Final = {
    BEFORE: "rows-moved:1",
    AFTER: "committed:1",
    DONE: "effect-done:1",
    ANSWERED: "produced:2",
}
TOOLS: Final = {
    "pure": "fault.compute",
    "transactional": "fault.deposit",
    "idempotent": "fault.charge",
    "reconcilable": "fault.pay",
    "irreversible": "fault.mail",
}
# Each row has an account of its own: one that a call in doubt leaves in quarantine is nobody else's.
accounts: Final = (f"account-{number}" for number in count())


@dataclass
class Stage:
    """A running Motet with the fault tools and their witness."""

    world: World
    witness: Witness
    client: Client = field(init=False)
    crashed: dict[str, dict[Row, Submitted]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world.coordinator()
        self.world.projector()
        self.tools()
        self.client = self.world.client()

    def tools(self, **environment: str) -> Any:
        """Starts the tool service."""
        return self.world.tools("fault_tools", WITNESS_URL=self.witness.url, **environment)

    @property
    def host(self) -> Any:
        """The tool service's process."""
        return self.world.running["tools-fault_tools"]

    def submit(self, *calls: Call, policy: Policy | None = None) -> Submitted:
        """A plan whose first call is the one that a row is about."""
        return self.client.submit(calls, policy=policy)

    def call_row(self, plan_id: str, index: int = 0) -> dict[str, Any]:
        """A call as SQL shows it; empty while it is not there."""
        names = ("status", "in_doubt", "late_outcome", "error_code", "attempt", "finding")
        rows = self.world.sql(
            f"SELECT {', '.join(names)} FROM motet.calls WHERE plan_id = %s AND index = %s", (plan_id, index)
        )
        return dict(zip(names, rows[0], strict=True)) if rows else {}

    def await_call(self, plan_id: str, what: str, is_so: Callable[[dict[str, Any]], bool], index: int = 0) -> None:
        """Waits until SQL says so of a plan's call, the first one unless another is named."""
        wait_until(lambda: is_so(self.call_row(plan_id, index)), SECONDS, f"plan {plan_id}: {what}")

    def await_plan(self, plan_id: str, status: str) -> None:
        """Waits until SQL says so of a plan."""
        query = "SELECT status FROM motet.plans WHERE plan_id = %s"
        wait_until(lambda: self.world.sql(query, (plan_id,)) == [(status,)], SECONDS, f"plan {plan_id} is {status}")

    def await_undoing(self, plan_id: str) -> None:
        """Waits until an attempt of a compensation failed, and another is due."""
        query = "SELECT FROM motet.attempts WHERE plan_id = %s AND compensation AND next = 'RETRY'"
        wait_until(lambda: bool(self.world.sql(query, (plan_id,))), SECONDS, f"plan {plan_id} is being undone")

    def kill_coordinator(self) -> None:
        """SIGKILL, and a new one."""
        self.world.running["coordinator"].kill()
        self.world.coordinator()

    def effects(self, plan_id: str) -> int:
        """What really happened under the keys of a plan's calls and compensations, by those who were there."""
        return sum(self.happened(plan_id).values())

    def happened(self, plan_id: str) -> Counter[str]:
        """How often, by key."""
        self.world.await_no_lag("coordinator", "projector")
        keys = self.world.sql("SELECT key FROM motet.effects WHERE plan_id = %s AND key <> ''", (plan_id,))
        found = Counter({key: 0 for (key,) in keys})
        entries = self.world.sql("SELECT key FROM tools_fault.entry WHERE key = ANY(%s)", (list(found),))
        found.update(key for (key,) in entries)
        found.update(one["key"] for one in self.witness.effects() if one["key"] in found)
        return found

    def check_states(self, plan_id: str) -> None:
        """What SQL says of each effect is what happened."""
        happened = self.happened(plan_id)
        states = self.world.sql("SELECT coalesce(key, ''), state FROM motet.effects WHERE plan_id = %s", (plan_id,))
        for key, state in states:
            allowed = {"DONE": (1,), "FAILED": (0,), "NOT_STARTED": (0,), "IN_DOUBT": (0, 1)}[state]
            assert happened[key] in allowed, f"{key} is {state} and happened {happened[key]} times"


@pytest.fixture(scope="module")
def stage(provisioned: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One stage for all rows."""
    directory = tmp_path_factory.mktemp("ends")
    witness = Witness.start(directory)
    made = Stage(World(provisioned, directory), witness)
    try:
        yield made
    finally:
        made.world.close()
        witness.stop()


def ended(submitted: Submitted) -> Outcome:
    """A plan's end."""
    return submitted.wait(SECONDS)


def tool_of(row: Row, **arguments: Any) -> Call:
    """The call of a row's effect class."""
    own = {"account": next(accounts)} if row.effect in ("transactional", "idempotent") else {}
    return Call(TOOLS[row.effect], own | arguments)


# -- the host is killed --------------------------------------------------------------------------------------------------------


def plan_of(row: Row, **arguments: str) -> tuple[list[Call], Policy]:
    """The plan of a row whose fault is none of its own calls': its policy says what is beside them."""
    words = row.policy.split(", ")
    calls = [tool_of(row, **arguments)]
    policy = Policy(in_doubt="end" if END in words else "hold")
    if "compensate" in words:
        calls.append(Call("fault.compute", {"how": "fail"}, after=("c0",)))
        policy = replace(policy, on_failure="compensate")
    if "fail_fast" in words:
        # It waits for a person, until the barrier.
        calls.append(Call("fault.wire", {"amount": 1}, id="beside"))
        policy = replace(policy, batch="fail_fast")
    if "quorum(2)" in words:
        calls.append(Call("fault.compute", {}))
        policy = replace(policy, batch="quorum", quorum=2)
    return calls, policy


def crash_all(stage: Stage, fault: str) -> dict[Row, Submitted]:
    """All rows of a fault die together: their invocations wait for the host, and are one batch of one shard."""
    rows = [row for row in ROWS if row.fault == fault]
    if fault == DURING:
        before = len(stage.witness.effects())
        submitted = {row: submit_row(stage, row, query="?delay=3") for row in rows}
        stage.witness.await_effects(before + len(rows))
        stage.host.kill()
    else:
        assert stage.host.stop() == 0
        submitted = {row: submit_row(stage, row) for row in rows}
        stage.world.await_no_lag("coordinator")
        victim = stage.tools(MOTET_CRASH_AT=CRASH_AT[fault])
        assert victim.await_end(SECONDS) == -9, victim.said()[-2000:]
    stage.tools()
    return submitted


def submit_row(stage: Stage, row: Row, **arguments: str) -> Submitted:
    """Submits a row's plan."""
    calls, policy = plan_of(row, **arguments)
    return stage.submit(*calls, policy=policy)


def crash_together(stage: Stage, row: Row) -> Outcome:
    """Killed at a labelled point, with all rows of the fault in it."""
    if row.fault not in stage.crashed:
        stage.crashed[row.fault] = crash_all(stage, row.fault)
    return found_out(stage, row, stage.crashed[row.fault][row])


def crash_alone(stage: Stage, row: Row) -> Outcome:
    """Killed at a labelled point that one call reaches, and started again."""
    assert stage.host.stop() == 0
    point = "produced:1" if (row.fault, row.effect) == (ANSWERED, "transactional") else CRASH_AT[row.fault]
    victim = stage.tools(MOTET_CRASH_AT=point)
    submitted = submit_row(stage, row)
    assert victim.await_end(SECONDS) == -9, victim.said()[-2000:]
    stage.tools()
    return found_out(stage, row, submitted)


def found_out(stage: Stage, row: Row, submitted: Submitted) -> Outcome:
    """The end of a row; where the plan waits to be told whether its call happened, somebody finds out."""
    if row.policy == HOLD:
        stage.await_call(submitted.plan_id, "in doubt", lambda call: bool(call.get("in_doubt")))
        finding: Any = {AFTER: "did_not_happen", DURING: "happened", DONE: "compensate"}[row.fault]
        stage.client.direct.settle(submitted.plan_id, "c0", finding, "sent", "looked it up")
    return ended(submitted)


# -- attempts that fail --------------------------------------------------------------------------------------------------------


def with_query(query: str) -> Callable[[Stage, Row], Outcome]:
    """The witness misbehaves as a query asks it to."""
    return lambda stage, row: ended(submit_row(stage, row, query=query))


def how(word: str) -> Callable[[Stage, Row], Outcome]:
    """The tool misbehaves as an argument asks it to."""
    return lambda stage, row: ended(submit_row(stage, row, how=word))


def silent(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """A tool that stops saying that it is alive."""
    return ended(stage.submit(Call("fault.long_work", {"silent": True})))


# -- siblings, and ends that come too late -------------------------------------------------------------------------------------

FAILING: Final = Call("fault.compute", {"how": "fail"}, id="failing")


def late(stage: Stage, outcome: Outcome) -> Outcome:
    """An outcome whose first call is still to bring its result."""
    stage.await_call(outcome.plan_id, "the late end", lambda call: call.get("late_outcome") == "SUCCEEDED")
    return outcome


def sibling(stage: Stage, row: Row) -> Outcome:
    """A call beside one that fails, or succeeds, while it runs; its late end is recorded."""
    words = row.policy.split(", ")
    quorum = {"quorum(1)": 1, "quorum(2)": 2}.get(words[0])
    policy = Policy(
        batch="quorum" if quorum else "fail_fast" if "fail_fast" in words else "collect_all",
        quorum=quorum,
        on_failure="compensate" if "compensate" in words else "stop",
    )
    other = Call("fault.compute", {}, id="quick") if quorum == 1 else FAILING
    call = tool_of(row) if row.effect == "transactional" else tool_of(row, query="?delay=0.7")
    outcome = ended(stage.submit(call, other, policy=policy))
    return late(stage, outcome) if "late" in row.fault else outcome


def behind(stage: Stage, row: Row) -> Outcome:
    """A call behind one that fails."""
    policy = Policy(on_failure="continue") if row.policy == "continue" else Policy()
    return ended(stage.submit(Call("fault.charge", {"account": "b"}, after=("failing",)), FAILING, policy=policy))


def deadline(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """The plan's time is over while its call runs."""
    return late(stage, ended(stage.submit(Call("fault.hold", {}), policy=Policy(deadline_seconds=1))))


# -- cancelled -----------------------------------------------------------------------------------------------------------------


def cancelled_when(call: Call, moment: Callable[[dict[str, Any]], bool]) -> Callable[[Stage, Row], Outcome]:
    """Cancelled at a moment that SQL shows."""

    def doing(stage: Stage, row: Row) -> Outcome:
        submitted = stage.submit(call)
        stage.await_call(submitted.plan_id, row.fault, moment)
        stage.client.direct.cancel(submitted.plan_id, "the customer called")
        return ended(submitted)

    return doing


def cancelled_before(stage: Stage, row: Row) -> Outcome:
    """Its host is down while it is sent and cancelled: both come to it in one batch."""
    if row.fault not in stage.crashed:
        assert stage.host.stop() == 0
        rows = [one for one in ROWS if one.fault == row.fault]
        stage.crashed[row.fault] = {one: stage.submit(tool_of(one)) for one in rows}
        for submitted in stage.crashed[row.fault].values():
            stage.client.direct.cancel(submitted.plan_id, "a change of mind")
        stage.tools()
    outcome = ended(stage.crashed[row.fault][row])
    stage.await_call(outcome.plan_id, "its end is recorded", lambda call: call.get("late_outcome") == "CANCELLED")
    return outcome


def cancelled_waiting(stage: Stage, row: Row) -> Outcome:
    """Another plan holds the resource."""
    holder = stage.submit(Call("fault.charge", {"account": "w", "query": "?status=503&retry_after=3&times=1"}))
    outcome = cancelled_when(Call("fault.charge", {"account": "w"}), lambda one: one.get("status") == "WAITING")(
        stage, row
    )
    assert ended(holder).status == "SUCCEEDED"
    return outcome


def cancelled_running(stage: Stage, row: Row) -> Outcome:
    """It runs; it is told, and its end is recorded."""
    call = Call("fault.hold", {}) if row.effect == "idempotent" else tool_of(row, query="?delay=1.5")
    submitted = stage.submit(call, policy=Policy(on_failure="compensate" if row.policy == "compensate" else "stop"))
    stage.await_call(submitted.plan_id, row.fault, lambda one: one.get("status") == "STARTED")
    stage.client.direct.cancel(submitted.plan_id, "the customer called")
    return late(stage, ended(submitted))


def cancelled_in_doubt(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Nobody knows; what is found out afterwards still counts."""
    submitted = in_doubt(stage, "?apply_then_drop=1")
    stage.client.direct.cancel(submitted.plan_id)
    stage.client.direct.settle(submitted.plan_id, "c0", "happened", "sent")
    return ended(submitted)


def cancelled_undoing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """A plan that is being undone is undone to its end."""
    submitted = undone(stage, SLOWLY)
    stage.await_undoing(submitted.plan_id)
    with pytest.raises(Refused, match="PLAN_ENDED"):
        stage.client.direct.cancel(submitted.plan_id)
    return ended(submitted)


def cancelled_late(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """A plan that has ended cannot be cancelled."""
    outcome = ended(stage.submit(Call("fault.compute", {})))
    with pytest.raises(Refused, match="UNKNOWN_PLAN"):
        stage.client.direct.cancel(outcome.plan_id)
    return outcome


# -- people --------------------------------------------------------------------------------------------------------------------


def in_doubt(stage: Stage, query: str) -> Submitted:
    """A plan that waits to be told whether its call happened."""
    submitted = stage.submit(Call("fault.mail", {"query": query}))
    stage.await_call(submitted.plan_id, "in doubt", lambda call: bool(call.get("in_doubt")))
    return submitted


def settled(query: str, finding: Any, result: Any = None) -> Callable[[Stage, Row], Outcome]:
    """A person finds out, and says so."""

    def doing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
        submitted = in_doubt(stage, query)
        stage.client.direct.settle(submitted.plan_id, "c0", finding, result, "looked it up")
        outcome = ended(submitted)
        with pytest.raises(Refused, match="UNKNOWN_PLAN"):
            stage.client.direct.settle(submitted.plan_id, "c0", "did_not_happen")
        return outcome

    return doing


def decided(decision: str) -> Callable[[Stage, Row], Outcome]:
    """A person decides about exactly these arguments; a decision about others is refused, and the sibling runs on."""

    def doing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
        submitted = stage.submit(Call("fault.wire", {"amount": 5}), Call("fault.compute", {}, id="beside"))
        stage.await_call(submitted.plan_id, "the sibling runs on", lambda one: one.get("attempt") == 1, 1)
        with pytest.raises(Refused, match="OTHER_ARGUMENTS"):
            stage.client.direct.approve(submitted.plan_id, "c0", "0" * 64)
        decide(stage, submitted, decision)
        return ended(submitted)

    return doing


def decide(stage: Stage, submitted: Submitted, decision: str) -> None:
    """A person who looked at the arguments."""
    direct, asked = stage.client.direct, "SELECT arguments_sha256 FROM motet.approvals WHERE plan_id = %s"
    ((sha256,),) = stage.world.sql(asked, (submitted.plan_id,))
    (direct.approve if decision == "approve" else direct.deny)(submitted.plan_id, "c0", sha256, "looked at it")


def expired(stage: Stage, row: Row) -> Outcome:
    """Nobody decides in time."""
    undoing = "compensate" in row.policy
    policy = Policy(batch="fail_fast", on_failure="compensate") if undoing else Policy()
    beside = Call("fault.charge", {"account": next(accounts)}) if undoing else Call("fault.compute", {})
    return ended(stage.submit(Call("fault.wire", {"amount": 5}, approval_seconds=1), beside, policy=policy))


# -- budgets and breakers ------------------------------------------------------------------------------------------------------


def fan_out(number: int, query: str = "") -> list[Call]:
    """So many charges at once, which share nothing."""
    return [Call("fault.charge", {"account": next(accounts), "query": query}) for _ in range(number)]


def last_first(outcome: Outcome) -> Outcome:
    """Looked at from behind, where the calls are that did not fit."""
    return replace(outcome, results=outcome.results[::-1])


def budget(limits: Budget, allowed: int) -> Callable[[Stage, Row], Outcome]:
    """Twenty calls at once, of which so many may run."""

    def doing(stage: Stage, row: Row) -> Outcome:
        policy = Policy(budget=limits, on_failure="compensate" if "compensate" in row.policy else "stop")
        outcome = ended(stage.submit(*fan_out(20), policy=policy))
        assert sum(one.status == "SUCCEEDED" for one in outcome.results) == allowed
        return last_first(outcome)

    return doing


def agents_budget(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Two plans of one agent share what it may spend; the first in the log has it."""
    stage.client.direct.set_budget("spender", Budget(calls=10), "a trial")
    first, second = (stage.client.submit(fan_out(number), agent="spender") for number in (10, 5))
    assert ended(first).status == "SUCCEEDED"
    return last_first(ended(second))


def dead_dependency(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Two failures open the breaker; the third call fails at once, without a request."""
    calls = [
        Call("fault.fragile", {"query": "?status=503"}, id=f"f{n}", after=(f"f{n + 1}",) if n < 2 else ())
        for n in range(3)
    ]
    before = len(stage.witness.requests())
    outcome = ended(stage.submit(*calls, policy=Policy(on_failure="continue")))
    assert len(stage.witness.requests()) == before + 2
    return outcome


# -- compensation --------------------------------------------------------------------------------------------------------------

SLOWLY: Final = "?status=503&retry_after=2&times=1"


def undone(stage: Stage, refund: str) -> Submitted:
    """A charge that is undone because the call behind it fails."""
    return stage.submit(
        Call("fault.charge", {"account": next(accounts), "refund": refund}),
        Call("fault.compute", {"how": "fail"}, after=("c0",)),
        policy=Policy(on_failure="compensate"),
    )


def compensated(refund: str) -> Callable[[Stage, Row], Outcome]:
    """It is undone, however often that is tried."""
    return lambda stage, row: ended(undone(stage, refund))  # noqa: ARG005  one signature for all


def taken_up(refund: str, skip: tuple[str, ...] = ()) -> Callable[[Stage, Row], Outcome]:
    """It cannot be undone; what remains is told, and somebody has it go on."""

    def doing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
        outcome = ended(undone(stage, refund))
        assert outcome.remaining == (0,)
        stage.client.direct.resume_compensation(outcome.plan_id, skip, "looked at it")
        stage.await_plan(outcome.plan_id, "COMPENSATED")
        return outcome

    return doing


def undone_in_doubt(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Whether it was undone, somebody finds out."""
    outcome = ended(stage.submit(Call("fault.ship"), FAILING, policy=Policy(on_failure="compensate")))
    stage.client.direct.settle(outcome.plan_id, "c0", "happened", "called back", compensation=True)
    stage.await_plan(outcome.plan_id, "COMPENSATED")
    return outcome


def killed_undoing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """The host dies while the witness has the compensation and has not answered."""
    before = len(stage.witness.effects())
    submitted = undone(stage, "?delay=3")
    stage.witness.await_effects(before + 2)
    stage.host.kill()
    stage.tools()
    return ended(submitted)


def in_reverse(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Three charges, of which the first ends last: undone in reverse order of the history."""
    calls = fan_out(3)
    calls[0] = Call("fault.charge", {**calls[0].arguments, "query": "?delay=0.4"})
    before = len(stage.witness.effects())
    failing = Call("fault.compute", {"how": "fail"}, after=("c0", "c1", "c2"))
    outcome = ended(stage.submit(*calls, failing, policy=Policy(on_failure="compensate")))
    refunded = [one["body"]["account"] for one in stage.witness.effects()[before:] if one["path"] == "/refund"]
    assert refunded == [call.arguments["account"] for call in reversed(calls)]
    return outcome


# -- the coordinator is killed -------------------------------------------------------------------------------------------------


def killed(stage: Stage, submitted: Submitted) -> Outcome:
    """The coordinator dies, comes back, and leads the plan to its end."""
    stage.kill_coordinator()
    return ended(submitted)


def killed_between(stage: Stage, row: Row) -> Outcome:
    """It waits for the next attempt's time."""
    submitted = stage.submit(tool_of(row, query="?status=503&retry_after=3&times=1"))
    stage.await_call(submitted.plan_id, "between attempts", lambda one: one.get("status") == "RETRYING")
    return killed(stage, submitted)


def killed_asked(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """It waits for a person."""
    submitted = stage.submit(Call("fault.wire", {"amount": 5}))
    stage.await_call(submitted.plan_id, "it asks", lambda one: one.get("status") == "AWAITING_APPROVAL")
    stage.kill_coordinator()
    decide(stage, submitted, "approve")
    return ended(submitted)


def killed_in_doubt(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """It waits to be told what happened."""
    submitted = in_doubt(stage, "?apply_then_drop=1")
    stage.kill_coordinator()
    stage.client.direct.settle(submitted.plan_id, "c0", "happened", "sent")
    return ended(submitted)


def killed_compensating(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """It waits for the compensation's next attempt."""
    submitted = undone(stage, SLOWLY)
    stage.await_undoing(submitted.plan_id)
    return killed(stage, submitted)


def killed_fanning_out(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Ten run, and ten wait for what these leave of the budget."""
    before = len(stage.witness.effects())
    submitted = stage.submit(*fan_out(20, "?delay=0.8"), policy=Policy(budget=Budget(calls=10)))
    stage.witness.await_effects(before + 10)
    return last_first(killed(stage, submitted))


def killed_cancelled(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """The plan has its end, and its call still runs."""
    submitted = stage.submit(Call("fault.hold", {}))
    stage.await_call(submitted.plan_id, "it runs", lambda one: one.get("status") == "STARTED")
    stage.client.direct.cancel(submitted.plan_id)
    return late(stage, killed(stage, submitted))


DOING: Final[dict[str, Callable[[Stage, Row], Outcome]]] = {
    **dict.fromkeys((BEFORE, AFTER, DURING), crash_together),
    **dict.fromkeys((DONE, ANSWERED), crash_alone),
    ends.SLOW: how("slow"),
    ends.TOO_LATE: with_query("?delay=2.5"),
    ends.DROPPED: with_query("?apply_then_drop=1"),
    ends.ALWAYS_DROPPED: with_query("?drop=1"),
    ends.TWICE_503: with_query("?status=503&retry_after=1&times=2"),
    ends.ALWAYS_503: with_query("?status=503"),
    ends.NOT_FOUND: with_query("?status=404"),
    ends.AGAIN: how("again"),
    ends.SILENT: silent,
    **dict.fromkeys((ends.LATE_SUCCESS, ends.FAILS_BESIDE, ends.ENOUGH, ends.NOT_ENOUGH), sibling),
    ends.FAILS_BEFORE: behind,
    ends.OUT_OF_TIME: deadline,
    ends.BEFORE_TAKEN: cancelled_before,
    ends.WAITING: cancelled_waiting,
    ends.RUNNING: cancelled_running,
    ends.BETWEEN: cancelled_when(
        Call("fault.charge", {"account": "r", "query": "?status=503&retry_after=20"}),
        lambda one: one.get("status") == "RETRYING",
    ),
    ends.ASKED: cancelled_when(Call("fault.wire", {"amount": 1}), lambda one: one.get("status") == "AWAITING_APPROVAL"),
    ends.DOUBTFUL: cancelled_in_doubt,
    ends.UNDOING: cancelled_undoing,
    ends.ENDED: cancelled_late,
    ends.APPROVED: decided("approve"),
    ends.DENIED: decided("deny"),
    ends.EXPIRED: expired,
    ends.HAPPENED: settled("?apply_then_drop=1", "happened", "sent"),
    ends.DID_NOT: settled("?drop=1", "did_not_happen"),
    ends.TO_BE_UNDONE: settled("?apply_then_drop=1", "compensate"),
    ends.CALLS: budget(Budget(calls=10), 10),
    ends.COST: budget(Budget(cost="0.50"), 11),
    ends.TOKENS: budget(Budget(tokens=1_000), 10),
    ends.TIME: budget(Budget(seconds=10), 20),
    ends.AGENT: agents_budget,
    ends.DEAD: dead_dependency,
    ends.TWICE: compensated("?status=503&times=2"),
    ends.FOR_GOOD: taken_up("?status=404", ("c0",)),
    ends.LATER: taken_up("?status=404&times=1"),
    ends.UNDO_DOUBT: undone_in_doubt,
    ends.UNDO_KILLED: killed_undoing,
    ends.REVERSE: in_reverse,
    ends.KILLED_BETWEEN: killed_between,
    ends.KILLED_ASKED: killed_asked,
    ends.KILLED_DOUBT: killed_in_doubt,
    ends.KILLED_UNDO: killed_compensating,
    ends.KILLED_BUDGET: killed_fanning_out,
    ends.KILLED_CANCEL: killed_cancelled,
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.fault}-{row.effect}-{row.policy}".replace(" ", "_"))
def test_a_fault_has_its_end(stage: Stage, row: Row) -> None:
    """Outcome, reason and what the witness counts are as they were written down."""
    if stage.host.child.poll() is not None:
        stage.tools()
    outcome = DOING[row.fault](stage, row)
    first = outcome.results[0]
    said = first.status if first.error_code is None else f"{first.status} {first.error_code}"
    shown = said if " " in row.call else first.status
    assert (shown, outcome.status) == (row.call, row.plan), outcome
    wait_until(lambda: stage.effects(outcome.plan_id) >= row.effects, SECONDS, f"{row.effects} effects")
    assert stage.effects(outcome.plan_id) == row.effects
    stage.check_states(outcome.plan_id)


def test_every_row_is_done_and_every_doing_has_a_row() -> None:
    """A fault without a test would be a claim."""
    assert DOING.keys() == {row.fault for row in ROWS}


def test_the_document_is_the_table() -> None:
    """What people read is what was tested."""
    assert ends.DOCUMENT.read_text() == ends.document()
