"""Faults put into the deciders and into the services around them: what the simulator must find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from motet.leases.book import Book
from motet.plan import attempts, ends, leasing, lines, reservations, rows, schedule, undoing
from motet.plan.board import Board
from motet.plan.lines import Lines
from motet.plan.model import Plan
from motet.plan.slots import Slots
from motet.plan.tokens import tokens
from motet.resources import queues
from motet.simulation import plan_host
from motet.simulation.host import Host
from motet.simulation.lanes import Lane
from motet.simulation.plan_host import PlanHost

Mutation = Callable[[pytest.MonkeyPatch], None]


def lanes_take_repeats(patch: pytest.MonkeyPatch) -> None:
    """No lane check: whatever lies on a partition is taken."""
    patch.setattr(Lane, "is_next", lambda _lane, _number: True)


def released_before_the_plan_ends(patch: pytest.MonkeyPatch) -> None:
    """Plan isolation lets go what its calls used as soon as they ended."""
    patch.setattr(Lines, "holds", lambda *_: False)


def published_before_commit(patch: pytest.MonkeyPatch) -> None:
    """What a hop that dies before its commit had to say is published all the same."""
    original = PlanHost.lose_hop

    def lose_hop(self: PlanHost, lane: Lane, limit: int, now: int) -> int:
        rows, place, commands = self.written(), lane.place(), dict(self.commands)
        self.decide(lane, lane.take(limit), now)
        self.commit()
        self.publish()
        lane.back_to(place)
        self.commands = commands
        self.restore(rows)
        return original(self, lane, limit, now)

    patch.setattr(PlanHost, "lose_hop", lose_hop)


def committed_as_they_come(patch: pytest.MonkeyPatch) -> None:
    """Results take their place in the order in which they came."""
    original = Plan.settle

    def settle(self: Plan, index: int, *rest: Any) -> list[int]:
        place = self.order.index(index)
        if place > self.committed:
            self.order.remove(index)
            self.order.insert(self.committed, index)
        return original(self, index, *rest)

    patch.setattr(Plan, "settle", settle)


def doubt_is_run_again(patch: pytest.MonkeyPatch) -> None:
    """What is irreversible is taken for repeatable."""
    patch.setattr(attempts, "REPEATABLE", (*attempts.REPEATABLE, "IRREVERSIBLE"))
    original = attempts.verdict

    def verdict(call: Any, contract: Any, end: Any, now: int) -> Any:
        if end.outcome == "IN_DOUBT" and call.effect == "IRREVERSIBLE" and call.attempt < contract.record.attempts:
            return attempts.Verdict("RETRY", "IN_DOUBT", end.error, now)
        return original(call, contract, end, now)

    patch.setattr(ends, "verdict", verdict)


def writers_share(patch: pytest.MonkeyPatch) -> None:
    """Two writers have a resource at once."""
    patch.setattr(queues, "kind_of", lambda mode, operation: f"{mode} {operation}")


def wholes_exclude_nobody(patch: pytest.MonkeyPatch) -> None:
    """A claim on all accounts does not stand in the way of one account's."""
    patch.setattr(queues, "wholes_above", lambda _name: ())


def operations_commute(patch: pytest.MonkeyPatch) -> None:
    """Calls that commute share with those of another operation."""
    patch.setattr(queues, "kind_of", lambda mode, _operation: "" if mode == "WRITE" else mode)


def slots_are_always_free(patch: pytest.MonkeyPatch) -> None:
    """As many calls are in flight as there are."""
    patch.setattr(Slots, "acquire", lambda *_: True)


def everybody_shares(patch: pytest.MonkeyPatch) -> None:
    """A queue lets everybody in."""
    patch.setattr(queues.Queue, "admits", lambda *_: True)


def late_results_are_not_told(patch: pytest.MonkeyPatch) -> None:
    """What a call brings after its end is dropped without a word."""
    original = Board.note

    def note(self: Board, *rest: Any, late: bool = False, **more: Any) -> None:
        if not late or "NONE" not in rest:
            original(self, *rest, late=late, **more)

    patch.setattr(Board, "note", note)


def rows_forget_attempts(patch: pytest.MonkeyPatch) -> None:
    """A row does not say how often a call was tried."""
    original = rows.from_state

    def from_state(state: str) -> Plan:
        plan = original(state)
        for call in plan.calls:
            call.attempt = min(call.attempt, 1)
        return plan

    patch.setattr(plan_host, "from_state", from_state)


def rows_forget_what_is_held(patch: pytest.MonkeyPatch) -> None:
    """A restored plan has let go everything that it held."""
    original = rows.from_state

    def from_state(state: str) -> Plan:
        plan = original(state)
        plan.released = list(plan.entered)
        return plan

    patch.setattr(plan_host, "from_state", from_state)


def changes_are_not_noted(patch: pytest.MonkeyPatch) -> None:
    """A plan whose call ended behind a slower one is not written."""
    original = schedule.Schedule.take_changed

    def take_changed(self: Any) -> list[Plan]:
        return [plan for plan in original(self) if plan.finished or plan.committed or len(plan.calls) == 1]

    patch.setattr(schedule.Schedule, "take_changed", take_changed)


def intents_are_not_written(patch: pytest.MonkeyPatch) -> None:
    """An effect begins before its intent is durable."""
    original = Host.crash

    def crash(self: Host, again: int) -> None:
        self.intents.clear()
        original(self, again)

    patch.setattr(Host, "crash", crash)


def lost_effects_are_run_again(patch: pytest.MonkeyPatch) -> None:
    """After a crash everything is run again, whatever its class."""
    original = Host.crash

    def crash(self: Host, again: int) -> None:
        original(self, again)
        self.ended.clear()
        self.running[:] = list(self.intents.values())

    patch.setattr(Host, "crash", crash)


def results_as_they_come(patch: pytest.MonkeyPatch) -> None:
    """The terminal event has results in the order in which they came."""
    arrived: dict[str, list[int]] = {}
    original_settle, original_terminal = Plan.settle, Plan.terminal

    def settle(self: Plan, index: int, *rest: Any) -> list[int]:
        order = arrived.setdefault(self.plan_id, [])
        if len(order) == len(self.calls):
            order.clear()
        order.append(index)
        return original_settle(self, index, *rest)

    def terminal(self: Plan, limits: Any) -> Any:
        outcome, results, sha256 = original_terminal(self, limits)
        order = arrived.get(self.plan_id, [])
        return outcome, tuple(results[index] for index in order if index < len(results)), sha256

    patch.setattr(Plan, "settle", settle)
    patch.setattr(Plan, "terminal", terminal)


def undone_twice(patch: pytest.MonkeyPatch) -> None:
    """What was undone stays on the list of what is to be undone."""
    original = undoing.ended

    def ended(board: Any, plan: Any, index: int, outcome: Any, result: Any, error: Any) -> None:
        original(board, plan, index, outcome, result, error)
        if outcome == "SUCCEEDED" and not plan.ended and plan.compensations[index].attempt == 1:
            plan.undo.append(index)
            plan.compensations[index].status = "WAITING"

    patch.setattr(undoing, "ended", ended)


def tokens_are_not_compared(patch: pytest.MonkeyPatch) -> None:
    """Whoever had a lease once may write under it."""

    def is_stale(self: Host, call: Any) -> bool:
        self.judge.acts_under(self.toolset, call)
        return False

    patch.setattr(Host, "is_stale", is_stale)


def tokens_are_made_up(patch: pytest.MonkeyPatch) -> None:
    """A call says that it has the next token."""

    def wrong(plan: Plan, call: Any) -> Any:
        return tuple(replace(one, token=one.token + 1) for one in tokens(plan, call))

    patch.setattr(attempts, "tokens", wrong)


def leases_are_shared(patch: pytest.MonkeyPatch) -> None:
    """Nobody is in front of anybody in the lines of leases."""
    patch.setattr(Book, "ahead", lambda *_: [])


def tokens_begin_anew(patch: pytest.MonkeyPatch) -> None:
    """A new process of the lease service counts from the beginning."""
    original = Book.restore
    patch.setattr(Book, "restore", lambda leases, _counters: original(leases, {}))


def leases_are_never_given_back(patch: pytest.MonkeyPatch) -> None:
    """A plan that ended keeps its leases for as long as they last."""
    patch.setattr(leasing, "give_back", lambda *_: None)


def reservations_exclude_nobody(patch: pytest.MonkeyPatch) -> None:
    """What a hybrid plan reserves does not stand in the way of the coordinator's own plans."""
    patch.setattr(Lines, "stand", lambda self, one: self.queues.add(one.plan_id, 0, (), lines.space_of(one)))


def reservations_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A new coordinator does not know what it had granted."""
    patch.setattr(plan_host, "reservation_state", lambda one: rows.reservation_state(replace(one, claims=())))


def given_back_at_the_end(patch: pytest.MonkeyPatch) -> None:
    """A hybrid plan gives back when it ends, also if a call of it still runs."""
    original = schedule.Schedule.end

    def end(self: Any, plan: Plan) -> None:
        original(self, plan)
        if plan.outcome != "UNKNOWN":
            reservations.give_back(self.board, plan)

    patch.setattr(schedule.Schedule, "end", end)


MUTATIONS: Final[tuple[Mutation, ...]] = (
    tokens_are_not_compared,
    tokens_are_made_up,
    leases_are_shared,
    tokens_begin_anew,
    leases_are_never_given_back,
    reservations_exclude_nobody,
    reservations_are_forgotten,
    given_back_at_the_end,
    lanes_take_repeats,
    released_before_the_plan_ends,
    published_before_commit,
    committed_as_they_come,
    doubt_is_run_again,
    writers_share,
    wholes_exclude_nobody,
    operations_commute,
    slots_are_always_free,
    everybody_shares,
    late_results_are_not_told,
    rows_forget_attempts,
    rows_forget_what_is_held,
    changes_are_not_noted,
    intents_are_not_written,
    lost_effects_are_run_again,
    results_as_they_come,
    undone_twice,
)
