"""The codec accounts for every byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.chassis.codec import Codec, newest_schemas
from motet.chassis.door import check, present
from motet.chassis.errors import Undecodable
from motet.chassis.guard import Raised, attempt
from motet.client import Budget, Call, Policy, command
from motet.plan import plan_id_of
from motet.records import PlannedCall, SubmitPlan


class Numbered:
    """Ids as a registry would give them."""

    def __init__(self) -> None:
        self.texts = dict(enumerate(newest_schemas().values(), start=1))
        self.ids = {name: number for number, name in enumerate(newest_schemas(), start=1)}

    def schema_id(self, topic: str, full_name: str) -> int:
        """The id of a type, the same for all topics."""
        assert topic
        return self.ids[full_name]

    def schema(self, schema_id: int) -> str | None:
        """The text of an id."""
        return self.texts.get(schema_id)


CODEC = Codec(Numbered())
PLAN = SubmitPlan(
    "k1",
    "acme",
    "orders",
    "agent-1",
    "PLAN",
    (PlannedCall("c0", "bank.transfer", None, '{"amount":1}', ()),),
    None,
    None,
)
VALUE = CODEC.encode("motet.commands", PLAN)


def code_of(value: bytes | None) -> str:
    """The code with which a value is refused."""
    with pytest.raises(Undecodable) as caught:
        CODEC.decode(value)
    return caught.value.code


def test_a_record_survives() -> None:
    """Encoding and decoding changes nothing."""
    assert CODEC.decode(VALUE) == PLAN


def test_what_is_no_record_is_named() -> None:
    """Null, foreign bytes, an unknown id, cut and lengthened records are told apart."""
    assert code_of(None) == "NULL_VALUE"
    assert code_of(b"") == code_of(b'{"json": 1}') == "NOT_AVRO"
    assert code_of(VALUE[:1] + (999).to_bytes(4, "big") + VALUE[5:]) == "UNKNOWN_SCHEMA"
    assert code_of(VALUE[:-1]) == "BROKEN_AVRO"
    assert code_of(VALUE + b"\0") == "TRAILING_BYTES"


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(tail: bytes) -> None:
    """Whatever stands behind a valid prefix is a record or Undecodable."""
    end = attempt(lambda: CODEC.decode(VALUE[:5] + tail))
    if isinstance(end, Raised):
        assert isinstance(end.error, Undecodable)
        assert end.error.code in {"BROKEN_AVRO", "TRAILING_BYTES"}


def test_the_door_compares_key_and_body() -> None:
    """A command belongs under its own tenant and domain only."""
    check("motet.commands", b"acme/orders", PLAN)
    for key in (b"", b"other/orders"):
        with pytest.raises(Undecodable) as caught:
            check("motet.commands", key, PLAN)
        assert caught.value.code == "KEY_MISMATCH"
    with pytest.raises(Undecodable) as caught:
        check("motet.lease-commands", b"acme/orders", PLAN)
    assert caught.value.code == "NO_COMMAND"
    with pytest.raises(Undecodable) as caught:
        present(None)
    assert caught.value.code == "NO_KEY"


@pytest.mark.parametrize(
    ("call", "policy"),
    [
        (Call("r.put"), Policy(deadline_seconds=5)),
        (Call("r.put", approval=True, approval_seconds=60), Policy()),
        (Call("r.put"), Policy(batch="quorum", quorum=1, budget=Budget(1, "0.5", 7, 2), deadline_seconds=1.5)),
    ],
)
def test_client_and_coordinator_give_a_plan_one_name(call: Call, policy: Policy) -> None:
    """Avro makes a double of the 5 that a client wrote; the plan's id is the same."""
    sent = command([call], tenant="acme", domain="d", agent="a", idempotency_key="k", policy=policy)
    taken = CODEC.decode(CODEC.encode("motet.commands", sent))
    assert isinstance(taken, SubmitPlan)
    assert plan_id_of(taken) == plan_id_of(sent)
