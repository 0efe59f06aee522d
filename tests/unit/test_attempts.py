"""What follows an attempt: the call's end, another attempt, asking whether it happened, or doubt; and ends that come late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from faults import START, Desk, call, outcomes, tool
from motet.plan import Limits
from motet.plan.waits import wait_ms
from motet.records import AttemptsEnded, Failure, Policy

END_IN_DOUBT = Policy(in_doubt="END")


def test_a_success_ends_a_call_and_its_plan() -> None:
    """One attempt, and nothing is left."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    desk.succeed(plan, 0)
    assert (plan.outcome, outcomes(plan), desk.sent()) == ("SUCCEEDED", ["SUCCEEDED"], [(0, 1, "RUN")])
    assert desk.nothing_left()


def test_a_final_failure_is_not_tried_again() -> None:
    """The tool's word is final: one attempt."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    desk.fail(plan, 0)
    assert (plan.outcome, outcomes(plan), desk.sent()) == ("FAILED", ["FAILED NO"], [(0, 1, "RUN")])


def test_what_may_be_tried_again_is_when_it_is_due_and_not_before() -> None:
    """The n-th wait is between a half and all of 1, 2, 4 … s, drawn from the key: a replay draws the same one."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    key = plan.calls[0].key
    for number in (1, 2):
        desk.fail(plan, 0, retry=True)
        wait = plan.calls[0].due - desk.now
        assert wait == wait_ms(desk.contracts.versions["f.pay"][1].record, key, number)
        assert 500 * 2 ** (number - 1) <= wait <= 1_000 * 2 ** (number - 1)
        assert desk.facts(AttemptsEnded)[-1]["attempts"][0].next_at == plan.calls[0].due
        desk.wait((wait - 1) / 1_000)
        desk.ring(plan)
        assert len(desk.sent()) == number
        desk.wait(0.001)
        assert len(desk.sent()) == number + 1
    assert plan.calls[0].key == key
    assert desk.sent() == [(0, 1, "RUN"), (0, 2, "RUN"), (0, 3, "RUN")]


def test_another_attempt_waits_as_long_as_the_tool_says() -> None:
    """A delay that is longer than the wait counts; a shorter one does not."""
    for delay, expected in ((30.0, 30_000), (0.001, None)):
        desk = Desk()
        plan = desk.submit(call("pay"))
        desk.fail(plan, 0, retry=True, delay_seconds=delay)
        wait = plan.calls[0].due - START
        assert wait == expected or (expected is None and wait >= 500)


def test_attempts_are_counted() -> None:
    """The third failure is the call's own, with the last error."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    for code in ("ONE", "TWO", "THREE"):
        desk.fail(plan, 0, code, retry=True)
        desk.wait(10)
    assert (outcomes(plan), len(desk.sent())) == (["FAILED THREE"], 3)


def test_no_attempt_is_due_after_the_calls_time() -> None:
    """A tool that asks to wait for longer than the call may take ends the call."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    desk.fail(plan, 0, retry=True, delay_seconds=100.0)
    assert outcomes(plan) == ["FAILED NO"]


@pytest.mark.parametrize(
    ("name", "retry", "expected"),
    [
        ("look", False, "FAILED TIMED_OUT"),
        ("move", False, "FAILED TIMED_OUT"),
        ("pay", False, "IN_DOUBT TIMED_OUT"),
        ("mail", False, "IN_DOUBT TIMED_OUT"),
        # Whatever a tool service says: what cannot be taken back and may have happened is not run again.
        ("mail", True, "IN_DOUBT TIMED_OUT"),
    ],
)
def test_an_unknown_end_means_what_the_effect_class_says(name: str, retry: bool, expected: str) -> None:
    """What leaves nothing behind failed; anything else is in doubt, and is not tried again."""
    desk = Desk()
    plan = desk.submit(call(name), policy=END_IN_DOUBT)
    desk.lose(plan, 0, retry=retry)
    desk.wait(99)
    assert (outcomes(plan), len(desk.sent())) == ([expected], 1)


def test_an_idempotent_call_is_tried_again_with_its_key_after_an_unknown_end() -> None:
    """The key makes it one effect."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    key = plan.calls[0].key
    desk.lose(plan, 0, retry=True)
    desk.wait(2)
    desk.succeed(plan, 0)
    assert (outcomes(plan), plan.calls[0].key, plan.calls[0].attempt) == (["SUCCEEDED"], key, 2)


@pytest.mark.parametrize("last", ["FAILED", "CANCELLED"])
def test_a_failure_after_an_unknown_attempt_leaves_a_doubt(last: str) -> None:
    """The second attempt did not happen; whether the first did, nobody knows."""
    desk = Desk()
    plan = desk.submit(call("pay"), policy=END_IN_DOUBT)
    desk.lose(plan, 0, retry=True)
    desk.wait(2)
    desk.end(plan, 0, last, "NO")  # type: ignore[arg-type]
    assert (outcomes(plan), plan.outcome) == (["IN_DOUBT NO"], "IN_DOUBT")


def test_an_irreversible_call_that_did_not_happen_may_be_tried_again() -> None:
    """Only an unknown end forbids it."""
    desk = Desk()
    plan = desk.submit(call("mail"))
    desk.fail(plan, 0, retry=True)
    desk.wait(2)
    assert desk.sent() == [(0, 1, "RUN"), (0, 2, "RUN")]


def test_a_reconcilable_call_is_asked_about_at_once() -> None:
    """Then it happened, with its result; or it did not, and runs again; asking is no attempt of the tool."""
    desk = Desk()
    happened, failed = desk.submit(call("book", "a")), desk.submit(call("book", "b"))
    for plan in (happened, failed):
        desk.lose(plan, 0)
        assert desk.sent(plan) == [(0, 1, "RUN"), (0, 2, "RECONCILE")]
    desk.succeed(happened, 0)
    desk.fail(failed, 0, "DID_NOT_HAPPEN", retry=True)
    desk.wait(2)
    assert outcomes(happened) == ["SUCCEEDED"]
    assert desk.sent(failed)[2:] == [(0, 3, "RUN")]
    desk.fail(failed, 0)
    assert outcomes(failed) == ["FAILED NO"]


def test_a_reconcilable_call_runs_no_more_often_than_its_attempts() -> None:
    """Asking in between does not count, and neither gives it more."""
    desk = Desk()
    plan = desk.submit(call("book"))
    for _ in range(3):
        desk.lose(plan, 0)
        desk.fail(plan, 0, "DID_NOT_HAPPEN", retry=True)
        desk.wait(8)
    assert outcomes(plan) == ["FAILED DID_NOT_HAPPEN"]
    assert [mode for _, _, mode in desk.sent()] == ["RUN", "RECONCILE"] * 3


def test_who_cannot_tell_yet_is_asked_again_and_who_cannot_tell_is_not() -> None:
    """As often as the tool may be tried; then the call is in doubt."""
    desk = Desk()
    yet, never = desk.submit(call("book", "a")), desk.submit(call("book", "b"))
    desk.lose(never, 0)
    desk.lose(never, 0)
    assert (never.calls[0].status, len(desk.sent(never))) == ("IN_DOUBT", 2)
    desk.lose(yet, 0)
    for _ in range(3):
        assert yet.calls[0].status == "STARTED"
        desk.lose(yet, 0, retry=True)
        desk.wait(5)
    assert (yet.calls[0].status, [mode for _, _, mode in desk.sent(yet)]) == ("IN_DOUBT", ["RUN", *["RECONCILE"] * 3])


@pytest.mark.parametrize(("outcome", "code"), [("CANCELLED", "TOO_LATE"), ("FAILED", "NOT_SERVED")])
def test_asking_that_did_not_work_is_no_answer(outcome: str, code: str) -> None:
    """That nobody could be asked does not mean that it did not happen."""
    desk = Desk()
    plan = desk.submit(call("book"))
    desk.lose(plan, 0)
    desk.end(plan, 0, outcome, code)  # type: ignore[arg-type]
    assert plan.calls[0].status == "IN_DOUBT"


def test_asking_that_did_not_begin_is_tried_again() -> None:
    """No thread was free: nobody was asked."""
    desk = Desk()
    plan = desk.submit(call("book"))
    desk.lose(plan, 0)
    desk.fail(plan, 0, "NOT_BEGUN", retry=True)
    desk.wait(2)
    assert desk.sent()[2:] == [(0, 3, "RECONCILE")]


def test_an_attempt_that_was_given_up_may_still_bring_the_result() -> None:
    """Before another begins, it is the call's own."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    desk.lose(plan, 0, retry=True)
    desk.succeed(plan, 0)
    assert (outcomes(plan), plan.outcome, len(desk.sent())) == (["SUCCEEDED"], "SUCCEEDED", 1)


def test_a_former_attempt_ends_late_and_is_not_merged() -> None:
    """While another one runs, its result is recorded as late; the other's is the call's."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    desk.lose(plan, 0, retry=True)
    desk.wait(2)
    desk.end(plan, 0, attempt=1, result="7")
    late = desk.facts(AttemptsEnded)[-1]["attempts"][0]
    assert (late.late, late.attempt, late.result, plan.calls[0].status) == (True, 1, "7", "STARTED")
    desk.end(plan, 0, result="8")
    assert plan.calls[0].result == "8"


def test_a_former_attempt_that_succeeded_ends_the_waiting_for_another() -> None:
    """It happened: neither a further attempt nor a person is needed."""
    desk = Desk()
    plan, doubtful = desk.submit(call("pay", "a")), desk.submit(call("pay", "b"))
    for one in (plan, doubtful):
        desk.lose(one, 0, retry=True)
    desk.wait(2)
    desk.fail(plan, 0, retry=True)
    desk.fail(doubtful, 0)
    assert [one.calls[0].status for one in (plan, doubtful)] == ["RETRYING", "IN_DOUBT"]
    for one in (plan, doubtful):
        desk.end(one, 0, attempt=1)
    assert [outcomes(one) for one in (plan, doubtful)] == [["SUCCEEDED"], ["SUCCEEDED"]]


def test_a_repeated_end_changes_nothing() -> None:
    """Of a success, of a failure that is tried again, of a doubt; also of another key or an attempt that was never sent."""
    desk = Desk()
    for outcome in ("SUCCEEDED", "FAILED", "IN_DOUBT"):
        plan = desk.submit(call("pay", str(outcome)), call("note"))
        end = desk.end(plan, 0, outcome, retry=outcome == "FAILED")
        row = desk.rows[plan.plan_id]
        for one in (end, end, end):
            assert desk.report(plan, one) == []
        assert desk.report(plan, replace(end, attempt=9)) == []
        assert desk.report(plan, replace(end, key="another")) == []
        assert desk.rows[plan.plan_id] == row
        desk.cancel(plan)
        desk.wait(1_000)


def test_a_result_that_is_too_large_leaves_open_what_the_call_did() -> None:
    """It was not the tool that failed: what cannot be taken back is in doubt, and not reported as not having happened."""
    desk = Desk(limits=Limits(result_bytes=10))
    for name, expected in (("look", "FAILED"), ("move", "FAILED"), ("mail", "IN_DOUBT")):
        plan = desk.submit(call(name), policy=END_IN_DOUBT)
        desk.end(plan, 0, result='"0123456789"')
        assert outcomes(plan) == [f"{expected} RESULT_TOO_LARGE"]


def test_two_like_calls_are_two_calls() -> None:
    """Each has a key of its own by its place; an end with the key of one is no end of the other."""
    desk = Desk()
    plan = desk.submit(call("note"), call("note"))
    one, other = plan.calls
    assert one.arguments_sha256 == other.arguments_sha256
    assert one.key != other.key
    end = desk.end(plan, 0)
    assert desk.report(plan, replace(end, index=1)) == []


def test_the_wait_of_a_contract_has_a_limit() -> None:
    """However often it is tried."""
    contract = tool("f.slow", backoff_limit_seconds=8.0)
    assert all(wait_ms(contract, "key", number) <= 8_000 for number in (1, 5, 100, 2_000))


def test_an_error_without_words_has_some() -> None:
    """Every failed call says why."""
    desk = Desk()
    plan = desk.submit(call("pay"))
    desk.end(plan, 0, "FAILED")
    assert plan.calls[0].error == Failure("FAILED", "the tool gave no reason")
