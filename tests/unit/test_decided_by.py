"""What facts say of how they were decided: short, printable, the same for all events of a plan, and readable again."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from motet import Budget, Call, Policy
from motet.chassis import decided_by, outbox
from motet.chassis.canonical import sha256_text
from motet.hosting import under
from motet.plan import Plan, admit, from_state, to_state
from motet.plan.rows import HEAD
from motet.plan.rules import CURRENT
from motet.records import PlannedCall, SubmitPlan
from motet.testing import Rehearsal
from registers import CONTRACTS, LIMITS
from rehearsed import begin, tools

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=400)
LISTS = st.lists(st.tuples(ANYTHING, st.integers(1, 9)), max_size=300)
# Two plain values of any length written as %XX, and a list of contracts.
LONGEST = 3 * 12 * decided_by.VALUE_CHARACTERS + 200


@given(ANYTHING, ANYTHING, LISTS)
def test_a_header_is_short_and_printable_whatever_is_told(
    code: str, workflow: str, contracts: list[tuple[str, int]]
) -> None:
    """Names that nobody should give, halves of characters, hundreds of contracts: nothing raises, and what is short comes back."""
    named = tuple(f"{tool}@{version}" for tool, version in contracts)
    header = decided_by.whole(code, decided_by.told("HYBRID", 4, workflow, named)) or ""
    assert header.isascii()
    assert header.isprintable()
    assert len(header) <= LONGEST
    assert decided_by.found([("x", None), (decided_by.HEADER, header.encode())]) == header
    said = decided_by.read(header)
    assert (said["strategy"], said["rules"]) == ("HYBRID", "4")
    cut = code[: decided_by.VALUE_CHARACTERS].encode("utf-8", "replace").decode()
    assert (decided_by.code_of(header), said.get("code", "")) == (cut, cut)
    assert said.get("workflow", "") == workflow[: decided_by.VALUE_CHARACTERS].encode("utf-8", "replace").decode()


@given(st.binary())
def test_what_somebody_else_wrote_there_is_read_without_harm(value: bytes) -> None:
    """Any bytes: a row can hold them, and a reader gets some text or none."""
    header = decided_by.found([(decided_by.HEADER, value)])
    assert header is not None
    assert "\0" not in header
    assert isinstance(decided_by.read(header), dict)
    assert decided_by.code_of(header).encode("utf-8", "surrogatepass") is not None
    assert decided_by.found(decided_by.kept(header)) == header


def test_a_header_says_what_it_knows_and_nothing_else() -> None:
    """What is not known is left out, and without anything there is no header."""
    plan = decided_by.told("ORCHESTRATED", 4, "refund; 50 % off = cheap@3", ("pay.charge@3", "stock.take@1"))
    header = "code=0.1.0+ab stock+cd;strategy=ORCHESTRATED;rules=4;workflow=refund%3B 50 %25 off %3D cheap@3;contracts=pay.charge@3,stock.take@1"
    assert decided_by.whole("0.1.0+ab stock+cd", plan) == header
    assert decided_by.parted(header) == ("0.1.0+ab stock+cd", plan)
    assert decided_by.read(header)["workflow"] == "refund; 50 % off = cheap@3"
    assert decided_by.whole("7", "") == "code=7"
    assert decided_by.whole("", plan) == plan
    assert decided_by.whole("", decided_by.told()) is None
    assert decided_by.read(None) == {}
    # What is longer than any name is cut off.
    assert decided_by.whole("x" * 900, decided_by.told(workflow="y" * 900)) == f"code={'x' * 200};workflow={'y' * 200}"


def test_many_contracts_are_told_by_their_number_and_digest() -> None:
    """Whoever has the admission can say that it is these."""
    many = tuple(f"shop.tool{number}@1" for number in range(300))
    assert decided_by.read(decided_by.told(contracts=many))["contracts"] == f"300:{sha256_text(','.join(many))}"


def test_only_facts_that_others_read_have_it() -> None:
    """On a topic between services it costs nothing."""
    names = [
        [name for name, _ in outbox.Row(0, "e", topic, 0, b"k", b"v", "T", b"l", None, "code=7").headers()]
        for topic in ("motet.events", "motet.results")
    ]
    assert [decided_by.HEADER in one for one in names] == [True, False]


def test_a_plan_says_the_same_after_its_row_was_read() -> None:
    """Strategy, rules, workflow, each contract once and in order; a row from before says all of it but the workflow."""
    calls = tuple(
        PlannedCall(f"c{at}", tool, None, '{"key":"a","n":1}') for at, tool in enumerate(("r.add", "r.put", "r.add"))
    )
    command = SubmitPlan("k", "acme", "d", "agent", "PLAN", calls, "c", None, workflow="refund@3")
    plan = admit(command, "p-h", 100, CONTRACTS, LIMITS, 0)
    assert isinstance(plan, Plan), plan
    said = under.of_plan(plan)
    assert said == f"strategy=HYBRID;rules={CURRENT};workflow=refund@3;contracts=r.add@1,r.put@1"
    state = to_state(plan)
    assert under.of_plan(from_state(state)) == said
    head, *rest = json.loads(state)
    assert head[HEAD.index("workflow")] == "refund@3"
    older = from_state(json.dumps([head[: HEAD.index("workflow")], *rest]))
    assert under.of_plan(older) == said.replace("workflow=refund@3;", "")


def said_by(rehearsal: Rehearsal) -> dict[str, set[str]]:
    """What the events say that they were decided under, by plan; of those about no plan by their type."""
    found: dict[str, set[str]] = {}
    for message, record in zip(rehearsal.topics.messages["motet.events"], rehearsal.history, strict=True):
        said = decided_by.found(message.headers) or ""
        found.setdefault(record.plan_id or type(record).__name__, set()).add(said)
    return found


def test_all_events_of_a_plan_say_the_same() -> None:
    """From the admission over attempts, compensations and a repeat to the end, in every mode; what was not admitted has no contracts."""
    begin()
    rehearsal = Rehearsal(tools, seed=7)
    calls = [Call("stage.pay", {"account": "a"}), Call("stage.refuse", {}, after=["c0"])]
    undone = rehearsal.run(calls, policy=Policy(on_failure="compensate"), key="undone")
    rehearsal.run(calls, policy=Policy(on_failure="compensate"), key="undone")
    alone = rehearsal.run([Call("stage.look", {"account": "a"})], mode="choreographed")
    shared = rehearsal.run([Call("stage.put", {"account": "a", "amount": 5})], mode="hybrid")
    rejected = rehearsal.run([Call("stage.nothing", {})], mode="hybrid")
    rehearsal.set_budget("spender", Budget(calls=1))
    assert (undone.status, alone.status, shared.status, rejected.status) == (
        "COMPENSATED",
        "SUCCEEDED",
        "SUCCEEDED",
        "REJECTED",
    )
    kinds = {type(one).__name__ for one in rehearsal.events(undone)}
    assert {"PlanAdmitted", "CallsStarted", "CompensationStarted", "CompensationEnded", "PlanEnded"} <= kinds
    rules = f"rules={CURRENT}"
    said = said_by(rehearsal)
    assert said == {
        undone.plan_id: {
            f"strategy=ORCHESTRATED;{rules};contracts=stage.pay@1,stage.refuse@1",
            "strategy=ORCHESTRATED",
        },
        alone.plan_id: {f"strategy=CHOREOGRAPHED;{rules};contracts=stage.look@1"},
        shared.plan_id: {f"strategy=HYBRID;{rules};contracts=stage.put@1"},
        rejected.plan_id: {"strategy=HYBRID"},
        "BudgetChanged": {""},
    }
    # What one host tells the other, and tools, is for nobody else to read.
    for topic in ("motet.requests", "motet.invocations.stage", "motet.results"):
        assert {decided_by.found(one.headers) for one in rehearsal.topics.messages[topic]} == {None}
