"""Admission: every kind of refusal, all reasons at once, and never a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from motet.plan import Limits, Plan, admit, from_state, to_state, valid_correlation, valid_traceparent
from motet.records import Claim, ClaimMode, PlannedCall, Reason, SubmitPlan
from registers import CONTRACTS, LIMITS, contract, contracts

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WHOLE = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
ANY = {"type": "object"}


def call(
    arguments: str = '{"key":"a"}',
    name: str = "c0",
    tool: str = "r.get",
    version: int | None = None,
    after: tuple[str, ...] = (),
) -> PlannedCall:
    """A planned call, right unless told otherwise."""
    return PlannedCall(name, tool, version, arguments, after)


def submit(*calls: PlannedCall, **more: Any) -> SubmitPlan:
    """A command, right unless told otherwise."""
    fields: dict[str, Any] = {
        "idempotency_key": "k",
        "tenant": "acme",
        "domain": "d",
        "agent": "agent",
        "isolation": "PLAN",
        "calls": calls,
        "correlation_id": None,
        "traceparent": None,
    }
    return SubmitPlan(**{**fields, **more})


def refused(*calls: PlannedCall, limits: Limits = LIMITS, size_bytes: int = 100, **more: Any) -> list[Reason]:
    """The reasons with which a plan is refused: each has a message."""
    known = more.pop("known", CONTRACTS)
    answer = admit(submit(*calls, **more), "p", size_bytes, known, limits, 0)
    assert not isinstance(answer, Plan)
    assert all(isinstance(reason, Reason) and reason.message for reason in answer)
    return list(answer)


def codes(*calls: PlannedCall, **more: Any) -> list[str]:
    """The codes alone."""
    return [reason.code for reason in refused(*calls, **more)]


@pytest.mark.parametrize(
    ("faulty", "code", "said"),
    [
        (call("{}"), "ARGUMENTS_INVALID", '"key" is a required property'),
        (call('{"key":7}'), "ARGUMENTS_INVALID", "at /key: 7 is not of type"),
        (call('{"key":"a","x":1}'), "ARGUMENTS_INVALID", "'x' was unexpected"),
        (call(tool="r.gte"), "UNKNOWN_TOOL", "no tool is named 'r.gte'; did you mean r.get"),
        (call(tool="\0"), "UNKNOWN_TOOL", "no tool is named '\\x00'"),
        (call(version=9), "UNKNOWN_CONTRACT_VERSION", "r.get has no version 9; there are 1"),
        (call('{"key":NaN}'), "ARGUMENTS_NOT_JSON", "NaN is no JSON number"),
        (call('{"key":-Infinity}'), "ARGUMENTS_NOT_JSON", "-Infinity is no JSON number"),
        (call('{"key":"a","n":1e400}'), "ARGUMENTS_NOT_JSON", "no canonical JSON"),
        (call('{"key":"\\ud800"}'), "ARGUMENTS_NOT_JSON", "no canonical JSON"),
        (call('{"\\ud800":1}'), "ARGUMENTS_NOT_JSON", "no canonical JSON"),
        (call('{"key":"a","n":12345678901234567890}'), "ARGUMENTS_NOT_JSON", "12345678901234567890"),
        (call('{"key":"a","n":' + "9" * 5_000 + "}"), "ARGUMENTS_NOT_JSON", "no JSON"),
        (call('{"key":"a","key":"b"}'), "ARGUMENTS_NOT_JSON", "the name 'key' stands twice in one object"),
        (call("[]"), "ARGUMENTS_NOT_JSON", "a JSON object, not list"),
        (call(""), "ARGUMENTS_NOT_JSON", "the arguments are no JSON"),
        (call("\ufeff{}"), "ARGUMENTS_NOT_JSON", "the arguments are no JSON"),
        (call('{"key":"a","n":' + "[" * 100 + "]" * 100 + "}"), "ARGUMENTS_NOT_JSON", "deeper than 64 levels"),
        (call('{"key":"a","n":' + "[" * 100_000 + "]" * 100_000 + "}"), "ARGUMENTS_NOT_JSON", "deeper than 64 levels"),
        (call('{"key":"' + "a" * 262_144 + '"}'), "TOO_LARGE", "262154 bytes; the limit is 262144"),
        (call('{"key":"' + "a" * 300 + '"}'), "TOO_LARGE", "has 309 characters; the limit is 300"),
        (call('{"key":"a\\u0000b"}'), "BAD_IDENTIFIER", "has control characters"),
        (call(after=("nobody",)), "UNKNOWN_AFTER", "after names 'nobody'"),
        (call(after=("c0",)), "CYCLE", "the calls wait for each other: c0 after c0"),
        (call(name=""), "BAD_IDENTIFIER", "call_id of call 0 is empty"),
        (call(name="a\nb"), "BAD_IDENTIFIER", "cannot be printed"),
        (call(name="a" * 201), "BAD_IDENTIFIER", "has 201 characters; the limit is 200"),
        (call('{"key":"a","n":{"$result":{"call":"absent"}}}'), "UNKNOWN_REFERENCE", "the result of 'absent'"),
        (call('{"key":"a","n":{"$result":3}}'), "BAD_REFERENCE", "and nothing else"),
    ],
)
def test_each_fault_has_its_reason(faulty: PlannedCall, code: str, said: str) -> None:
    """The code is for programs; the message names the value, the limit and what to do; the call is named."""
    reasons = [reason for reason in refused(faulty) if reason.code == code]
    assert any(said in reason.message for reason in reasons), refused(faulty)
    assert all(reason.call_id == faulty.call_id[:199] + "…" or reason.call_id == faulty.call_id for reason in reasons)


def test_all_reasons_are_given_at_once() -> None:
    """A plan with several faults is refused with each of them, in the order of its calls."""
    faulty = [
        *(call("{}", "c0"), call(name="c0"), call(name="c1", tool="r.gte"), call(name="c2", version=9)),
        *(call('{"key":NaN}', "c3"), call(name="c6", after=("c7",)), call(name="c7", after=("c6", "nobody"))),
        *(call('{"key":"a","n":{"$result":{"call":"absent"}}}', "c8"), call('{"key":{"$result":{"call":"c0"}}}', "c9")),
        *(call('{"key":"a","n":{"$result":3}}', "c11"), call("", "")),
    ]
    assert codes(*faulty) == [
        *("ARGUMENTS_INVALID", "DUPLICATE_CALL_ID", "UNKNOWN_TOOL", "UNKNOWN_CONTRACT_VERSION", "ARGUMENTS_NOT_JSON"),
        *("UNKNOWN_AFTER", "UNKNOWN_REFERENCE", "BAD_REFERENCE", "BAD_IDENTIFIER"),
        *("ARGUMENTS_NOT_JSON", "CYCLE"),
    ]


def test_what_is_wrong_with_the_whole_is_said_first() -> None:
    """Then the calls are not looked at: 10,000 of them cost nothing."""
    assert codes() == ["EMPTY_PLAN"]
    assert codes(*[call("{", f"c{n}") for n in range(10_000)]) == ["TOO_MANY_CALLS"]
    assert codes(call(), size_bytes=2_000_000) == ["TOO_LARGE"]
    assert codes(call(), idempotency_key="", agent="a\0", correlation_id="x" * 201) == ["BAD_IDENTIFIER"] * 3
    assert codes(call(), correlation_id="") == ["BAD_IDENTIFIER"]
    assert isinstance(admit(submit(call(), correlation_id="order 17"), "p", 100, CONTRACTS, LIMITS, 0), Plan)


def test_too_many_reasons_are_counted() -> None:
    """An event holds 50; the last one says how many are left out."""
    reasons = refused(*[call("{}", f"c{n}") for n in range(200)])
    assert len(reasons) == 51
    assert reasons[-1] == Reason("MORE_REASONS", "150 more reasons are not shown; the limit is 50", None)


def test_a_call_with_many_faults_gives_a_few() -> None:
    """A list of wrong items is one mistake, and its messages quote what a client wrote: bounded in number and in length."""
    many = contract("m.sum", schema={"type": "object", "properties": {"n": {"items": {"type": "integer"}}}})
    items = json.dumps({"n": ["x" * 2_000] * 100})
    reasons = refused(call(items, tool="m.sum"), known=contracts(many))
    assert len(reasons) == LIMITS.faults_per_call
    assert max(len(reason.message) for reason in reasons) == LIMITS.message_length


def test_a_plan_that_would_not_fit_into_its_events_is_refused() -> None:
    """Canonical JSON writes 1e20 in full, and a template repeats an argument: the command may be smaller than what comes of it."""
    wide = contract("w.all", [(f"{n}:{{key}}", "READ") for n in range(16)])
    grown = [call('{"key":"a","n":[' + ",".join(["1e20"] * 10_000) + "]}", f"c{n}") for n in range(6)]
    repeated = [call(json.dumps({"key": "k" * 290}), f"c{n}", "w.all") for n in range(256)]
    assert codes(*grown) == ["TOO_LARGE"]
    assert codes(*repeated, known=contracts(wide)) == ["TOO_LARGE"]
    assert isinstance(admit(submit(*grown[:4]), "p", 100, CONTRACTS, LIMITS, 0), Plan)


def test_arguments_are_measured_as_they_are_carried() -> None:
    """The limit holds for what was sent and for its canonical form."""
    assert codes(call('{"key":"a","n":[' + ",".join(["1e20"] * 40_000) + "]}")) == ["TOO_LARGE"]


def test_too_many_resources_are_refused() -> None:
    """The message names the number and the limit."""
    wide = contract("w.all", [(f"{n}:{{key}}", "READ") for n in range(17)])
    (reason,) = refused(call(tool="w.all"), known=contracts(wide))
    assert (reason.code, reason.message) == ("TOO_LARGE", "the call uses 17 resources; the limit is 16")


def admitted(faultless: PlannedCall, *known: Any) -> Plan:
    """A plan of one call."""
    plan = admit(submit(faultless), "p", 100, contracts(*known), LIMITS, 0)
    assert isinstance(plan, Plan), plan
    return plan


@pytest.mark.parametrize(
    ("arguments", "name"),
    [('{"id":1}', "item:1"), ('{"id":1.0}', "item:1"), ('{"id":1e2}', "item:100"), ('{"id":-0.0}', "item:0")],
)
def test_equal_numbers_name_one_resource(arguments: str, name: str) -> None:
    """Else two calls on the same thing would not know of each other."""
    plan = admitted(call(arguments, tool="i.take"), contract("i.take", [("item:{id}", "WRITE")], WHOLE))
    assert plan.calls[0].claims == (Claim(name, "WRITE"),)


def test_no_argument_pretends_to_be_another_tenant() -> None:
    """`{tenant}` and `{domain}` are the call's own, whatever the arguments say."""
    plan = admitted(
        call('{"tenant":"other","domain":"other"}', tool="x.y"),
        contract("x.y", [("t:{tenant}/{domain}", "WRITE")], {"type": "object"}),
    )
    assert plan.calls[0].claims == (Claim("t:acme/d", "WRITE"),)


def test_the_domain_and_the_tool_are_resources() -> None:
    """`{domain}` by itself is everything in the domain, `{tool}` the tool; in a name they are words like others."""
    templates: list[tuple[str, ClaimMode]] = [("{domain}", "READ")]
    assert admitted(call("{}", tool="x.y"), contract("x.y", templates, ANY)).calls[0].claims == (Claim("*", "READ"),)
    templates = [("{tool}", "WRITE"), ("of:{tool}:{domain}", "READ")]
    plan = admitted(call("{}", tool="x.y"), contract("x.y", templates, ANY))
    assert plan.calls[0].claims == (Claim("x.y", "WRITE"), Claim("of:x.y:d", "READ"))
    plan = admitted(call('{"tool":"mine"}', tool="x.y"), contract("x.y", [("{tool}", "WRITE")], ANY))
    assert plan.calls[0].claims == (Claim("mine", "WRITE"),)


def test_an_argument_is_never_the_whole_of_something() -> None:
    """Only a contract says that a call uses everything; a star in an argument is a letter."""
    plan = admitted(call('{"id":"*"}', tool="i.take"), contract("i.take", [("item:{id}", "WRITE")], ANY))
    assert plan.calls[0].claims == (Claim("item:%2A", "WRITE"),)


def test_a_call_claims_a_whole_once() -> None:
    """What is below it is in it, and its strength too; commuting uses keep their operation."""
    templates: list[Any] = [("item:*", "READ"), ("item:{id}", "WRITE"), ("fees", "COMMUTE", "charge")]
    plan = admitted(call('{"id":"7"}', tool="i.take"), contract("i.take", templates, ANY))
    assert plan.calls[0].claims == (Claim("item:*", "WRITE"), Claim("fees", "COMMUTE", "charge"))


def test_an_absent_argument_names_its_default() -> None:
    """Or nothing, and then the call is refused."""
    schema = {"type": "object", "properties": {"id": {"default": 7}, "other": True}}
    plan = admitted(call("{}", tool="x.y"), contract("x.y", [("t:{id}", "WRITE")], schema))
    assert plan.calls[0].claims == (Claim("t:7", "WRITE"),)
    (reason,) = refused(call("{}", tool="x.y"), known=contracts(contract("x.y", [("t:{other}", "WRITE")], schema)))
    assert reason.code == "RESOURCE_NOT_KNOWN"
    assert "needs the argument 'other', which is not given" in reason.message


def test_the_newest_version_is_meant_unless_one_is_named() -> None:
    """Versions may be learnt in any order, and the first content of a version stays."""
    known = (contract("x.y", version=10), contract("x.y", version=2), contract("x.y", version=2, schema=False))
    assert admitted(call(tool="x.y"), *known).calls[0].contract_version == 10
    assert admitted(call(tool="x.y", version=2), *known).calls[0].contract_version == 2


def test_a_contract_that_refers_elsewhere_is_not_taken() -> None:
    """A decision waits for no network and reads no file."""
    for uri in ("http://127.0.0.1:9/x", "file:///etc/passwd"):
        with pytest.raises(ValueError, match="a contract says everything itself"):
            contracts(contract("x.y", schema={"$ref": uri}))


def test_arguments_with_references_are_checked_when_they_are_known() -> None:
    """Their calls come after those that they refer to."""
    plan = admit(
        submit(call(name="c1"), call('{"key":"a","n":[{"$result":{"call":"c1"}}]}', "c0")),
        "p",
        100,
        CONTRACTS,
        LIMITS,
        0,
    )
    assert isinstance(plan, Plan)
    assert [one.refers for one in plan.calls] == [False, True]
    assert plan.calls[1].after == (0,)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", TRACE.upper(), TRACE + "-", TRACE + "-00", TRACE[:-1], " " + TRACE, TRACE + "\n", "ff" + TRACE[2:]),
        *(
            "00-" + "0" * 32 + TRACE[35:],
            TRACE[:36] + "0" * 16 + TRACE[52:],
            TRACE.replace("a", "é"),
            "\u0660\u0660" + TRACE[2:],
        ),
    ],
)
def test_a_broken_traceparent_is_dropped(text: str) -> None:
    """As the W3C says: never a reason to refuse work."""
    assert valid_traceparent(text) is None
    plan = admit(submit(call(), traceparent=text), "p", 100, CONTRACTS, LIMITS, 0)
    assert isinstance(plan, Plan)
    assert plan.traceparent is None


def test_a_good_traceparent_goes_on() -> None:
    """Also one of a later version."""
    plan = admit(submit(call(), traceparent=TRACE), "p", 100, CONTRACTS, LIMITS, 0)
    assert isinstance(plan, Plan)
    assert plan.traceparent == TRACE
    assert valid_traceparent("01" + TRACE[2:]) is not None
    assert valid_traceparent(None) is None


def test_a_correlation_id_that_no_fact_may_carry_is_none() -> None:
    """The refusal of a command carries none of what it was refused for."""
    assert valid_correlation("order 17", LIMITS) == "order 17"
    assert [valid_correlation(text, LIMITS) for text in (None, "", "a\0", "x" * 201, "\ud800")] == [None] * 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
REFERRING = st.builds(
    lambda call_id, pointer, more: {"$result": {"call": call_id, "pointer": pointer, **more}},
    st.sampled_from(["", "a", "b"]) | JSON,
    st.text(max_size=3) | JSON,
    st.dictionaries(st.text(max_size=2), JSON, max_size=1),
)
ARGUMENTS = st.builds(
    lambda key, n: json.dumps({"key": key, "n": n}),
    st.text(st.characters(categories=["L", "Cs", "Cc"])),
    JSON | REFERRING,
)
NESTED = st.integers(1, 3_000).map(lambda depth: '{"key":"a","n":' + '{"a":' * depth + "1" + "}" * depth + "}")
CALLS = st.builds(
    PlannedCall,
    st.sampled_from(["a", "b", ""]) | st.text(st.characters()),
    st.sampled_from(["r.get", "r.put", "r.gett", ""]) | st.text(st.characters()),
    st.none() | st.integers(),
    ARGUMENTS | NESTED | JSON.map(json.dumps) | st.text(st.characters()),
    st.lists(st.sampled_from(["a", "b"]) | st.text(max_size=2), max_size=2).map(tuple),
)


@settings(max_examples=300)
@given(st.lists(CALLS, max_size=4), st.text(st.characters()), st.none() | st.text(st.characters()))
@example([call('{"key":"' + "\\ud83d" + '"}')], "k", None)
def test_admission_never_raises(calls: list[PlannedCall], key: str, trace: str | None) -> None:
    """Whatever stands in a command, the answer is a plan or reasons that every record, table and terminal can take."""
    command = submit(*calls, idempotency_key=key, correlation_id=trace, traceparent=trace)
    answer = admit(command, "p", 100, CONTRACTS, LIMITS, 0)
    if isinstance(answer, Plan):
        assert to_state(from_state(to_state(answer))) == to_state(answer)
        return
    assert answer
    for reason in answer:
        for text in (reason.message, reason.call_id or ""):
            assert "\0" not in text
            assert isinstance(text.encode(), bytes)
