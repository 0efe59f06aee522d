"""Which of a call's arguments fence it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from motet import Toolset
from motet.records import HeldLease, Invocation
from motet.tools import Held
from motet.tools.held import leases_of, tokens_of

tools = Toolset("fenced")


@tools.tool(effect="pure")
def both(amount: int, lease: Held, other: Held | None = None) -> int:
    """Takes two leases, one of them if there is one."""
    return amount + lease.token + (other.token if other else 0)


def found(**arguments: Any) -> list[Held]:
    """The leases of a call."""
    call = Invocation(0, "c", "fenced.both", 1, json.dumps(arguments), "k", 1)
    return list(leases_of(tools.tools[0].leases, call))


def test_every_lease_among_the_arguments_counts() -> None:
    """And nothing else: what is no lease the tool's own check of its arguments refuses."""
    assert tools.tools[0].leases == ("lease", "other")
    one = Held(resource="a", token=3)
    assert found(amount=1, lease={"resource": "a", "token": 3}, other=None) == [one]
    both = found(amount=1, lease={"resource": "a", "token": 3}, other={"resource": "b", "token": 4, "scope": "s"})
    assert both == [one, Held(resource="b", token=4, scope="s")]


@pytest.mark.parametrize(
    "lease",
    [
        None,
        7,
        {},
        {"resource": "a"},
        {"resource": "a", "token": 0},
        {"resource": "a", "token": 2**53},
        {"resource": "a\0", "token": 1},
        {"resource": "", "token": 1},
        {"resource": "a", "token": 1, "more": 1},
    ],
)
def test_what_is_no_lease_fences_nothing(lease: Any) -> None:
    """It never reaches a table, whatever it is."""
    assert found(amount=1, lease=lease) == []


def test_the_tokens_of_a_plan_have_the_names_of_its_leases() -> None:
    """As the contract writes them: scope/resource."""
    assert tokens_of((HeldLease("s", "a", 3), HeldLease("s", "b/c", 4))) == {"s/a": 3, "s/b/c": 4}
