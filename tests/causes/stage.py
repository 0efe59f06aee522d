"""A running Motet with the fault tools and their witness, and the plans that the rows of `tests/ends.py` are about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from ends import END, Row
from motet.chaos.witness import Witness
from motet.chassis.waiting import wait_until
from motet.client import Call, Client, Mode, Outcome, Policy, Submitted
from motet.platform import Addresses
from world import World

SECONDS: Final = 40.0
TOOLS: Final = {
    "pure": "fault.compute",
    "transactional": "fault.deposit",
    "idempotent": "fault.charge",
    "reconcilable": "fault.pay",
    "irreversible": "fault.mail",
}
# Each row has an account of its own: one that a call in doubt leaves in quarantine is nobody else's.
accounts: Final = (f"account-{number}" for number in count())
FAILING: Final = Call("fault.compute", {"how": "fail"}, id="failing")
SLOWLY: Final = "?status=503&retry_after=2&times=1"


@dataclass
class Stage:
    """A running Motet with the fault tools and their witness."""

    world: World
    witness: Witness
    # Who coordinates the plans that are submitted.
    mode: Mode = "orchestrated"
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
        return self.client.submit(calls, policy=policy, mode=self.mode)

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

    def await_quiet(self) -> None:
        """Waits until nothing of earlier rows runs or is to run: their attempts would reach a label that is meant for another call's.

        What waits for a person may wait on: a call in doubt, and one that is to be approved.
        """
        waits = (
            "SELECT 1 FROM motet.calls c WHERE c.plan_id = p.plan_id AND (c.in_doubt OR c.status = 'AWAITING_APPROVAL')"
        )
        query = (
            "SELECT 1 FROM motet.plans p WHERE tenant = %(tenant)s AND status IN ('OPEN', 'STOPPING', 'COMPENSATING') "
            f"AND NOT EXISTS ({waits}) UNION ALL SELECT 1 FROM motet.calls WHERE tenant = %(tenant)s AND runs_on "
            "UNION ALL SELECT 1 FROM tools_fault_hop.intent"
        )
        wait_until(lambda: not self.world.sql(query, {"tenant": self.world.tenant}), SECONDS, "nothing runs")

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

    def requests(self, plan_id: str) -> int:
        """How many requests arrived under the keys of a plan's calls. What an earlier row left may send some too, under its own."""
        self.world.await_no_lag("coordinator", "projector")
        keys = {key for (key,) in self.world.sql("SELECT key FROM motet.calls WHERE plan_id = %s", (plan_id,))}
        return sum(one["key"] in keys for one in self.witness.requests() if one["key"])

    def check_states(self, plan_id: str) -> None:
        """What SQL says of each effect is what happened."""
        happened = self.happened(plan_id)
        states = self.world.sql("SELECT coalesce(key, ''), state FROM motet.effects WHERE plan_id = %s", (plan_id,))
        for key, state in states:
            allowed = {"DONE": (1,), "FAILED": (0,), "NOT_STARTED": (0,), "IN_DOUBT": (0, 1)}[state]
            assert happened[key] in allowed, f"{key} is {state} and happened {happened[key]} times"


@contextmanager
def staged(addresses: Addresses, directory: Path) -> Iterator[Stage]:
    """A stage on running servers; everything on it ends behind it."""
    witness = Witness.start(directory)
    made = Stage(World(addresses, directory), witness)
    try:
        yield made
    finally:
        made.world.close()
        witness.stop()


@pytest.fixture(scope="module")
def stage(provisioned: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One stage for all rows."""
    with staged(provisioned, tmp_path_factory.mktemp("ends")) as made:
        yield made


def ended(submitted: Submitted) -> Outcome:
    """A plan's end."""
    return submitted.wait(SECONDS)


def tool_of(row: Row, **arguments: Any) -> Call:
    """The call of a row's effect class."""
    own = {"account": next(accounts)} if row.effect in ("transactional", "idempotent") else {}
    return Call(TOOLS[row.effect], own | arguments)


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


def submit_row(stage: Stage, row: Row, **arguments: str) -> Submitted:
    """Submits a row's plan."""
    calls, policy = plan_of(row, **arguments)
    return stage.submit(*calls, policy=policy)


def late(stage: Stage, outcome: Outcome) -> Outcome:
    """An outcome whose first call is still to bring its result."""
    stage.await_call(outcome.plan_id, "the late end", lambda call: call.get("late_outcome") == "SUCCEEDED")
    return outcome


def in_doubt(stage: Stage, query: str) -> Submitted:
    """A plan that waits to be told whether its call happened."""
    submitted = stage.submit(Call("fault.mail", {"query": query}))
    stage.await_call(submitted.plan_id, "in doubt", lambda call: bool(call.get("in_doubt")))
    return submitted


def decide(stage: Stage, submitted: Submitted, decision: str) -> None:
    """A person who looked at the arguments."""
    direct, asked = stage.client.direct, "SELECT arguments_sha256 FROM motet.approvals WHERE plan_id = %s"
    ((sha256,),) = stage.world.sql(asked, (submitted.plan_id,))
    (direct.approve if decision == "approve" else direct.deny)(submitted.plan_id, "c0", sha256, "looked at it")


def undone(stage: Stage, refund: str) -> Submitted:
    """A charge that is undone because the call behind it fails."""
    return stage.submit(
        Call("fault.charge", {"account": next(accounts), "refund": refund}),
        Call("fault.compute", {"how": "fail"}, after=("c0",)),
        policy=Policy(on_failure="compensate"),
    )


def fan_out(number: int, query: str = "") -> list[Call]:
    """So many charges at once, which share nothing."""
    return [Call("fault.charge", {"account": next(accounts), "query": query}) for _ in range(number)]


def last_first(outcome: Outcome) -> Outcome:
    """Looked at from behind, where the calls are that did not fit."""
    return replace(outcome, results=outcome.results[::-1])
