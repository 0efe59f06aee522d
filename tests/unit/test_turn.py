"""A model's answer as a plan: names, keys, and what the model is told."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet import Context, Toolset
from motet.adapters import Answered, Asked, offered, schemas
from motet.adapters.turn import Offer, TurnRefused, key_of
from motet.chassis.errors import ConfigurationError
from motet.client import CallOutcome, Outcome
from motet.client.outcome import Status
from motet.records import Reason

tools: Final = Toolset("bank", schema="CREATE TABLE IF NOT EXISTS entry (account text)")


@tools.tool(effect="transactional", writes="account:{account}")
def pay(context: Context, account: str, amount: int) -> int:
    """Pays an amount."""
    del context, account
    return amount


@tools.tool(effect="pure", approval=True)
def look(account: str) -> str:
    """Looks."""
    return account


OFFERED: Final = offered([one.contract_fields() for one in tools.tools])
CALLS: Final = [Asked("a", "bank__pay", {"account": "1", "amount": 2}), Asked("b", "bank__look", {"account": "1"})]


def told(outcome: Outcome, asked: list[Asked] = CALLS) -> list[Answered]:
    """What a model is told of an outcome."""
    return Offer(OFFERED).answers(asked, outcome)


def ended(index: int, result: str | None, error: str | None = None, status: str = "SUCCEEDED") -> CallOutcome:
    """One call's end."""
    return CallOutcome(f"c{index}", "bank.pay", status, result, None, error, error and f"why {error}", "digest")


def outcome(status: Status, *results: CallOutcome, reasons: tuple[Reason, ...] = ()) -> Outcome:
    """A plan's end."""
    return Outcome("p", status, results, reasons, None, repeated=False)


def test_tools_are_functions_with_names_that_providers_take() -> None:
    """No dots; the schema is the contract's own; the form is that of OpenAI-compatible endpoints."""
    assert [(one.name, one.tool, one.approval) for one in OFFERED] == [
        ("bank__look", "bank.look", True),
        ("bank__pay", "bank.pay", False),
    ]
    (_, first) = schemas(OFFERED)
    assert first["type"] == "function"
    assert first["function"]["name"] == "bank__pay"
    assert first["function"]["description"] == "Pays an amount."
    assert first["function"]["parameters"]["required"] == ["account", "amount"]


def test_some_tools_are_picked_by_name_or_toolset() -> None:
    """What is not there is said, before a model is offered nothing."""
    contracts = [one.contract_fields() for one in tools.tools]
    assert [one.tool for one in offered(contracts, ["bank.look"])] == ["bank.look"]
    assert len(offered(contracts, ["bank"])) == 2
    with pytest.raises(ConfigurationError, match="no tool and no toolset is called bonk"):
        offered(contracts, ["bank", "bonk"])
    with pytest.raises(ConfigurationError, match="'bank__look', which is 10 characters long or there already"):
        offered([*contracts, contracts[0]])


def test_each_call_is_answered_in_the_order_in_which_it_was_written() -> None:
    """Results as canonical JSON, failures with their code."""
    failed = ended(1, None, "INSUFFICIENT", "FAILED")
    answers = told(outcome("FAILED", ended(0, '{"left":3}'), failed))
    assert [(one.id, one.name, one.succeeded, one.status) for one in answers] == [
        ("a", "bank__pay", True, "SUCCEEDED"),
        ("b", "bank__look", False, "FAILED"),
    ]
    assert answers[0].text == '{"left":3}'
    assert json.loads(answers[1].text) == {"error": {"code": "INSUFFICIENT", "message": "why INSUFFICIENT"}}


def test_a_function_that_is_not_offered_is_told_so_and_the_others_keep_their_results() -> None:
    """A model invents one now and then."""
    asked = [CALLS[0], Asked("x", "bank__rob", {}), CALLS[1]]
    answers = told(outcome("SUCCEEDED", ended(0, "1"), ended(1, '"ok"')), asked)
    assert [one.id for one in answers] == ["a", "x", "b"]
    assert [one.text for one in (answers[0], answers[2])] == ["1", '"ok"']
    assert json.loads(answers[1].text)["error"] == {
        "code": "UNKNOWN_TOOL",
        "message": "there is no function 'bank__rob'; these are offered: bank__look, bank__pay",
    }


def test_a_refused_plan_tells_each_call_why() -> None:
    """Its own reasons, those of the whole plan, or that another call's are to blame."""
    answers = told(outcome("REJECTED", reasons=(Reason("ARGUMENTS_INVALID", "amount is no integer", "c0"),)))
    assert [json.loads(one.text)["error"]["code"] for one in answers] == ["ARGUMENTS_INVALID", "NOT_RUN"]
    answers = told(outcome("REJECTED", reasons=(Reason("TOO_MANY_CALLS", "too many calls", None),)))
    assert [json.loads(one.text)["error"]["code"] for one in answers] == ["TOO_MANY_CALLS"] * 2
    assert not any(one.succeeded for one in answers)


@pytest.mark.parametrize("code", ["KEY_REUSED", "PLAN_OPEN", "HANDLING_FAILED", "BAD_POLICY", "SOMETHING_NEW"])
def test_what_no_model_can_mend_it_does_not_hear(code: str) -> None:
    """It would ask again under new ids, and the effect that the first plan had would happen twice."""
    with pytest.raises(TurnRefused, match=f"plan p was refused: ARGUMENTS_INVALID: no; {code}: so it is"):
        told(outcome("REJECTED", reasons=(Reason("ARGUMENTS_INVALID", "no", "c0"), Reason(code, "so it is", None))))


@pytest.mark.parametrize("bad", [float("nan"), 2**60, "\ud800", {"deep": [{"$result": {"call": "c0"}}]}])
def test_arguments_that_cannot_be_asked_for_cost_that_call_alone(bad: Any) -> None:
    """What no JSON carries, and what would be taken for a reference; the turn has a key all the same."""
    wrong = Asked("a", "bank__look", {"account": bad})
    assert Offer(OFFERED).known([wrong, CALLS[0]]) == [CALLS[0]]
    first, second = told(outcome("SUCCEEDED", ended(0, "1")), [wrong, CALLS[0]])
    assert json.loads(first.text)["error"]["code"] == "ARGUMENTS_INVALID"
    assert (second.id, second.text) == ("a", "1")
    assert len(key_of(["x"], [wrong])) == 64


IDS: Final = st.text("abc", min_size=1, max_size=3)


@given(st.lists(IDS, max_size=3), st.lists(IDS, min_size=1, max_size=3, unique=True), st.integers())
def test_a_turn_has_one_key_whoever_asks_again(conversation: list[str], ids: list[str], amount: int) -> None:
    """The same answer in the same conversation is the same plan; another id, order, argument or conversation is another one."""
    asked = [Asked(one, "bank__pay", {"account": "1", "amount": amount % 1000}) for one in ids]
    again = [Asked(one, "bank__pay", {"amount": amount % 1000, "account": "1"}) for one in ids]
    key = key_of(conversation, asked)
    assert key == key_of(tuple(conversation), again)
    assert len(key) == 64
    others = [
        key_of([*conversation, "x"], asked),
        key_of(conversation, [*asked, Asked("zz", "bank__pay", {})]),
        key_of(conversation, [Asked(one.id, one.name, {"account": "2"}) for one in asked]),
    ]
    if len(asked) > 1:
        others.append(key_of(conversation, asked[::-1]))
    assert key not in others
