"""The table of `tests/ends.py`: every fault and its end, with real processes, real kills, and the outside witness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import pytest

import ends
from ends import AFTER, ANSWERED, BEFORE, DONE, DURING, ROWS, Row
from motet.chassis.waiting import wait_until
from motet.client import Budget, Call, Client, Outcome, Policy, Refused, Submitted
from motet.platform import Addresses
from witness import Witness
from world import World

SECONDS: Final = 60.0
CRASH_AT: Final = {BEFORE: "rows-moved:1", AFTER: "committed:1", DONE: "effect-done:1", ANSWERED: "produced:2"}
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

    def await_call(self, plan_id: str, what: str, is_so: Callable[[dict[str, Any]], bool]) -> None:
        """Waits until SQL says so of a plan's first call."""
        wait_until(lambda: is_so(self.call_row(plan_id)), SECONDS, f"{what}: {self.call_row(plan_id)}")

    def effects(self, plan_id: str) -> int:
        """What really happened under the keys of a plan's calls and compensations, by those who were there."""
        self.world.await_no_lag("coordinator", "projector")
        rows = self.world.sql("SELECT key FROM motet.effects WHERE plan_id = %s AND key <> ''", (plan_id,))
        keys = [key for (key,) in rows]
        (entries,) = self.world.sql("SELECT count(*) FROM tools_fault.entry WHERE key = ANY(%s)", (keys,))[0]
        return sum(one["key"] in keys for one in self.witness.effects()) + int(entries)


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


def policy_of(row: Row) -> Policy:
    """The policy that the rows with nothing special name."""
    return Policy(in_doubt="end") if row.policy == "in_doubt: end" else Policy()


# -- the host is killed --------------------------------------------------------------------------------------------------------


def crash(stage: Stage, row: Row) -> Outcome:
    """Killed at a labelled point, and started again."""
    assert stage.host.stop() == 0
    point = "produced:1" if (row.fault, row.effect) == (ANSWERED, "transactional") else CRASH_AT[row.fault]
    victim = stage.tools(MOTET_CRASH_AT=point)
    submitted = stage.submit(tool_of(row), policy=policy_of(row))
    assert victim.await_end(SECONDS) == -9, victim.said()[-2000:]
    stage.tools()
    return ended(submitted)


def crash_during(stage: Stage, row: Row) -> Outcome:
    """Killed while the witness has the effect and has not answered."""
    before = len(stage.witness.effects())
    submitted = stage.submit(tool_of(row, query="?delay=3"), policy=policy_of(row))
    stage.witness.await_effects(before + 1)
    stage.host.kill()
    stage.tools()
    return ended(submitted)


# -- attempts that fail --------------------------------------------------------------------------------------------------------


def with_query(query: str) -> Callable[[Stage, Row], Outcome]:
    """The witness misbehaves as a query asks it to."""
    return lambda stage, row: ended(stage.submit(tool_of(row, query=query), policy=policy_of(row)))


def how(word: str) -> Callable[[Stage, Row], Outcome]:
    """The tool misbehaves as an argument asks it to."""
    return lambda stage, row: ended(stage.submit(tool_of(row, how=word), policy=policy_of(row)))


def silent(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """A tool that stops saying that it is alive."""
    return ended(stage.submit(Call("fault.long_work", {"silent": True})))


# -- siblings ------------------------------------------------------------------------------------------------------------------

FAILING: Final = Call("fault.compute", {"how": "fail"}, id="failing")


def sibling(stage: Stage, row: Row) -> Outcome:
    """A call beside one that fails, or succeeds, while it runs; its late end is recorded."""
    batch, _, failure = row.policy.partition(", ")
    enough = row.policy == "quorum(1)"
    policy = Policy(
        batch="quorum" if enough else "fail_fast" if batch == "fail_fast" else "collect_all",
        quorum=1 if enough else None,
        on_failure="compensate" if failure else "stop",
    )
    other = Call("fault.compute", {}, id="quick") if enough else FAILING
    submitted = stage.submit(Call("fault.charge", {"account": "s", "query": "?delay=0.7"}), other, policy=policy)
    outcome = ended(submitted)
    if "late" in row.fault:
        stage.await_call(outcome.plan_id, "the late end", lambda call: call.get("late_outcome") == "SUCCEEDED")
    return outcome


def behind(stage: Stage, row: Row) -> Outcome:
    """A call behind one that fails."""
    policy = Policy(on_failure="continue") if row.policy == "continue" else Policy()
    return ended(stage.submit(Call("fault.charge", {"account": "b"}, after=("failing",)), FAILING, policy=policy))


def deadline(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """The plan's time is over while its call runs."""
    outcome = ended(stage.submit(Call("fault.hold", {}), policy=Policy(deadline_seconds=1)))
    stage.await_call(outcome.plan_id, "the late end", lambda call: call.get("late_outcome") == "SUCCEEDED")
    return outcome


# -- cancelled -----------------------------------------------------------------------------------------------------------------


def cancelled_when(call: Call, moment: Callable[[dict[str, Any]], bool]) -> Callable[[Stage, Row], Outcome]:
    """Cancelled at a moment that SQL shows."""

    def doing(stage: Stage, row: Row) -> Outcome:
        submitted = stage.submit(call)
        stage.await_call(submitted.plan_id, row.fault, moment)
        stage.client.direct.cancel(submitted.plan_id, "the customer called")
        return ended(submitted)

    return doing


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
    outcome = cancelled_when(Call("fault.hold", {}), lambda one: one.get("status") == "STARTED")(stage, row)
    stage.await_call(outcome.plan_id, "the late end", lambda call: call.get("late_outcome") == "SUCCEEDED")
    return outcome


def cancelled_in_doubt(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Nobody knows; what is found out afterwards still counts."""
    submitted = in_doubt(stage, "?apply_then_drop=1")
    stage.client.direct.cancel(submitted.plan_id)
    stage.client.direct.settle(submitted.plan_id, "c0", "happened", "sent")
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
        submitted = stage.submit(
            Call("fault.wire", {"amount": 5}, approval_seconds=1 if decision == "expire" else None),
            Call("fault.compute", {}, id="beside"),
        )
        wait_until(
            lambda: stage.call_row(submitted.plan_id, 1).get("attempt") == 1, SECONDS, "the sibling runs all the same"
        )
        direct = stage.client.direct
        asked = "SELECT arguments_sha256 FROM motet.approvals WHERE plan_id = %s"
        ((sha256,),) = stage.world.sql(asked, (submitted.plan_id,))
        with pytest.raises(Refused, match="OTHER_ARGUMENTS"):
            direct.approve(submitted.plan_id, "c0", "0" * 64)
        if decision == "approve":
            direct.approve(submitted.plan_id, "c0", sha256, "checked")
        elif decision == "deny":
            direct.deny(submitted.plan_id, "c0", sha256, "wrong supplier")
        return ended(submitted)

    return doing


# -- limits --------------------------------------------------------------------------------------------------------------------


def budget(limits: Budget, allowed: int) -> Callable[[Stage, Row], Outcome]:
    """Twenty calls at once, of which so many may run; the failed ones come first in the outcome that is looked at."""

    def doing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
        calls = [Call("fault.charge", {"account": f"n{number}"}) for number in range(20)]
        outcome = ended(stage.submit(*calls, policy=Policy(budget=limits)))
        assert sum(one.status == "SUCCEEDED" for one in outcome.results) == allowed
        return Outcome(outcome.plan_id, outcome.status, outcome.results[::-1], (), None, repeated=False)

    return doing


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


def compensated(refund: str, skip: tuple[str, ...] = ()) -> Callable[[Stage, Row], Outcome]:
    """A charge that is undone because the call behind it fails."""

    def doing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
        outcome = ended(
            stage.submit(
                Call("fault.charge", {"account": "c", "refund": refund}),
                Call("fault.compute", {"how": "fail"}, after=("c0",)),
                policy=Policy(on_failure="compensate"),
            )
        )
        if skip:
            assert outcome.remaining == (0,)
            stage.client.direct.resume_compensation(outcome.plan_id, skip, "given back by hand")
            status = "SELECT status FROM motet.plans WHERE plan_id = %s"
            wait_until(
                lambda: stage.world.sql(status, (outcome.plan_id,)) == [("COMPENSATED",)], SECONDS, "it is compensated"
            )
        return outcome

    return doing


DOING: Final[dict[str, Callable[[Stage, Row], Outcome]]] = {
    **dict.fromkeys((BEFORE, AFTER, DONE, ANSWERED), crash),
    DURING: crash_during,
    "the first attempt times out": how("slow"),
    "the answer comes too late": with_query("?delay=1.5"),
    "the connection drops after the effect": with_query("?apply_then_drop=1"),
    "the connection drops at each attempt": with_query("?drop=1"),
    "503 twice, with Retry-After": with_query("?status=503&retry_after=1&times=2"),
    "503 always": with_query("?status=503"),
    "404": with_query("?status=404"),
    "another attempt is asked for twice": how("again"),
    "no heartbeat": silent,
    "a sibling fails, late success": sibling,
    "a sibling fails": sibling,
    "the call before it fails": behind,
    "enough siblings succeed, late success": sibling,
    "the plan's deadline, late success": deadline,
    "cancelled while it waits for a resource": cancelled_waiting,
    "cancelled while it runs": cancelled_running,
    "cancelled between attempts": cancelled_when(
        Call("fault.charge", {"account": "r", "query": "?status=503&retry_after=20"}),
        lambda one: one.get("status") == "RETRYING",
    ),
    "cancelled while it waits for a person": cancelled_when(
        Call("fault.wire", {"amount": 1}), lambda one: one.get("status") == "AWAITING_APPROVAL"
    ),
    "cancelled while it is in doubt, then found to have happened": cancelled_in_doubt,
    "cancelled after its end": cancelled_late,
    "approved": decided("approve"),
    "denied": decided("deny"),
    "approval expired": decided("expire"),
    "in doubt, found to have happened": settled("?apply_then_drop=1", "happened", "sent"),
    "in doubt, found not to have happened": settled("?drop=1", "did_not_happen"),
    "in doubt, undone": settled("?apply_then_drop=1", "compensate"),
    "budget of 10 calls reached in a fan-out of 20": budget(Budget(calls=10), 10),
    "budget of 0.50 reached in a fan-out of 20 at 0.10": budget(Budget(cost="0.50"), 11),
    "a dead dependency": dead_dependency,
    "the compensation fails twice": compensated("?status=503&times=2"),
    "the compensation fails for good, is done by hand": compensated("?status=404", ("c0",)),
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


def test_every_row_is_done_and_every_doing_has_a_row() -> None:
    """A fault without a test would be a claim."""
    assert DOING.keys() == {row.fault for row in ROWS}


def test_the_document_is_the_table() -> None:
    """What people read is what was tested."""
    assert ends.DOCUMENT.read_text() == ends.document()
