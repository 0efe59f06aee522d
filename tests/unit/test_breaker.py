"""A tool's circuit breaker: a dead dependency becomes quick, honest failures, and one call at a time finds out whether it is back."""

from __future__ import annotations

from faults import Desk, call, outcomes, tool
from motet.plan import Plan
from motet.records import BreakerChanged, BreakerState, Policy


def states(desk: Desk) -> list[BreakerState]:
    """The states that were said."""
    return [fact["state"] for fact in desk.facts(BreakerChanged)]


def opened() -> tuple[Desk, Plan]:
    """A breaker that two failed attempts in a row have opened for 20 s."""
    desk = Desk()
    plan = desk.submit(call("call", "a"), call("call", "b"))
    desk.fail(plan, 0, retry=True)
    desk.fail(plan, 1, retry=True)
    assert states(desk) == ["OPEN"]
    return desk, plan


def test_after_so_many_failures_in_a_row_calls_fail_at_once() -> None:
    """Those that are to be tried again too; the failure says when the tool is tried."""
    desk, plan = opened()
    later = desk.submit(call("call", "c"))
    error = later.calls[0].error
    assert error is not None
    assert (error.code, error.message) == ("CIRCUIT_OPEN", "f.call failed 2 times in a row; it is tried again in 20 s")
    desk.wait(2)
    assert outcomes(plan) == ["FAILED CIRCUIT_OPEN"] * 2
    assert len(desk.sent()) == 2


def test_an_answer_between_failures_starts_the_count_again() -> None:
    """A final failure is an answer: the tool is alive."""
    desk = Desk()
    plan = desk.submit(call("call", "a"), call("call", "b"), call("call", "c"))
    desk.fail(plan, 0, retry=True)
    desk.fail(plan, 1)
    desk.fail(plan, 2, retry=True)
    assert states(desk) == []


def test_one_call_finds_out_whether_the_tool_is_back() -> None:
    """Half open, one is sent and the others fail; its success closes the breaker."""
    desk, _ = opened()
    desk.wait(20)
    probe, other = desk.submit(call("call", "c")), desk.submit(call("call", "d"))
    assert (desk.sent(probe), outcomes(other)) == ([(0, 1, "RUN")], ["FAILED CIRCUIT_OPEN"])
    desk.succeed(probe, 0)
    assert states(desk) == ["OPEN", "HALF_OPEN", "CLOSED"]
    assert desk.sent(desk.submit(call("call", "e"))) == [(0, 1, "RUN")]


def test_a_probe_that_fails_opens_it_again() -> None:
    """For the whole time."""
    desk, _ = opened()
    desk.wait(20)
    probe = desk.submit(call("call", "c"))
    desk.fail(probe, 0, retry=True)
    assert states(desk) == ["OPEN", "HALF_OPEN", "OPEN"]
    assert desk.facts(BreakerChanged)[-1]["until"] == desk.now + 20_000
    desk.wait(19)
    assert outcomes(desk.submit(call("call", "d"))) == ["FAILED CIRCUIT_OPEN"]


def test_a_probe_that_is_stopped_leaves_it_to_the_next_call() -> None:
    """It found out nothing; else every later call would wait for a probe that is gone."""
    desk, _ = opened()
    desk.wait(20)
    probe = desk.submit(call("call", "c"))
    desk.cancel(probe)
    desk.end(probe, 0, "CANCELLED", "STOPPED")
    assert states(desk) == ["OPEN", "HALF_OPEN", "OPEN"]
    assert desk.sent(desk.submit(call("call", "d"))) == [(0, 1, "RUN")]


def test_a_probe_that_never_answers_opens_it_again() -> None:
    """Silence is no sign of life, also of a tool that is pure."""
    dead = tool("f.see", "PURE", (), breaker_failures=1, breaker_reset_seconds=20.0, attempts=1)
    desk = Desk(dead)
    plan = desk.submit(call("see"))
    desk.wait(116)
    assert (outcomes(plan), states(desk)) == (["FAILED NO_ANSWER"], ["OPEN"])
    desk.wait(20)
    desk.submit(call("see"))
    desk.wait(116)
    assert states(desk) == ["OPEN", "HALF_OPEN", "OPEN"]


def test_a_call_of_which_an_attempt_may_have_happened_is_in_doubt() -> None:
    """An open breaker does not turn it into a failure."""
    desk = Desk()
    plan = desk.submit(call("call", "a"), call("call", "b"), policy=Policy(in_doubt="END"))
    desk.lose(plan, 0, retry=True)
    desk.fail(plan, 1, retry=True)
    desk.wait(2)
    assert outcomes(plan) == ["IN_DOUBT CIRCUIT_OPEN", "FAILED CIRCUIT_OPEN"]


def test_a_tool_that_says_that_a_call_did_not_happen_is_alive() -> None:
    """It was asked and answered, also if the call then runs again."""
    desk = Desk(tool("f.hotel", "RECONCILABLE", breaker_failures=2))
    plan = desk.submit(call("hotel"))
    desk.lose(plan, 0)
    desk.fail(plan, 0, "DID_NOT_HAPPEN", retry=True)
    assert (states(desk), desk.schedule.board.guards.breakers["f.hotel"].failures) == ([], 0)


def test_a_tool_without_a_limit_has_no_breaker() -> None:
    """However often it fails."""
    desk = Desk()
    for number in range(20):
        plan = desk.submit(call("pay", f"k{number}"))
        desk.fail(plan, 0, retry=True)
    assert (states(desk), desk.schedule.board.guards.breakers) == ([], {})
