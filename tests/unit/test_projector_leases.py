"""Leases in the tables: a lease's row says the same however its events were cut into batches."""

from __future__ import annotations

from typing import Any

import pytest

from motet.chassis.service import Received
from motet.projector.fold import fold
from motet.records import (
    AdmittedCall,
    CallsLinedUp,
    Claim,
    HolderTold,
    LeaseRefused,
    LeasesExpired,
    LeasesGranted,
    LeasesQueued,
    LeasesRenewed,
    LinedUpCall,
    Meta,
    PlanAdmitted,
    Policy,
    Reason,
    Record,
)

ID = "8403904690f7e34131df0f52ee0f745d"
WHO = ("ann", ("a", "b"))
PLAN = "f403904690f7e34131df0f52ee0f745d"


def meta(number: int) -> Meta:
    """The meta of an event, one second after the one before."""
    return Meta(f"e{number}", "c", "motet.lease-commands:0:0", "acme", "accounts", number, number * 1_000)


STORY: list[Record] = [
    LeasesQueued(meta(1), ID, "k", *WHO, 10.0, 21_000),
    LeasesGranted(meta(2), ID, "k", *WHO, 7, 10.0, 2_000, at_once=False, expires_at=12_000),
    LeasesRenewed(meta(3), ID, *WHO, 7, 13_000),
    LeasesExpired(meta(4), ID, *WHO, 7, "EXPIRED", 13_000),
    HolderTold(meta(5), "a", None, None, 0, None, 0),
    LeaseRefused(meta(6), "RenewLease", "k6", "ann", ID, (Reason("NOT_HELD", "over\0", None),)),
    LeasesGranted(meta(7), ID, "k", *WHO, 8, 10.0, 7_000, at_once=True, expires_at=17_000),
]


def rows(batches: list[list[tuple[int, Record]]]) -> dict[Any, Any]:
    """The rows after some batches, as an upsert leaves them."""
    out: dict[Any, Any] = {}
    for batch in batches:
        placed = [
            Received("motet.leases", 0, offset, b"", b"", offset, record, f"e{offset}") for offset, record in batch
        ]
        for table, changed in fold(placed).upserts.items():
            for key, row in changed.items():
                out.setdefault((table, key), {}).update(row)
    return out


@pytest.mark.parametrize("length", range(1, len(STORY) + 1))
def test_batches_make_no_difference(length: int) -> None:
    """Queued, granted, renewed, over; and begun anew after its window, with nothing left of before."""
    story = list(enumerate(STORY))
    one_by_one = rows([[one] for one in story])
    assert rows([story[start : start + length] for start in range(0, len(story), length)]) == one_by_one
    row = one_by_one["lease_requests", (ID,)]
    assert (row["state"], row["token"], row["ended_at"], row["renewals"]) == ("HELD", 8, None, None)
    assert (row["wait_until"], row["place"]) == (None, 6)
    before = rows([story[:4]])["lease_requests", (ID,)]
    assert (before["state"], before["ended_at"], before["renewals"]) == ("EXPIRED", "1970-01-01T00:00:04.000+00:00", 2)
    refused = one_by_one["commands_refused", ("e6",)]
    assert (refused["agent"], refused["reasons"]) == (
        "ann",
        '[{"code": "NOT_HELD", "message": "over\\\\0", "call_id": null}]',
    )


def test_a_plan_is_out_of_the_lines_until_it_has_its_leases() -> None:
    """Whether both events come in one batch or in two; and the lease says whose it is."""
    claims = (Claim("account:a", "WRITE"),)
    calls = (AdmittedCall("c0", "t.a", 1, "{}", "sha", (), claims, "IDEMPOTENT", approval=False, leases=("shared/a",)),)
    admitted = PlanAdmitted(meta(1), PLAN, "k", "agent", "PLAN", "sha", calls, Policy(), 9_000, leases=("shared/a",))
    lined_up = CallsLinedUp(meta(2), PLAN, "PLAN", (LinedUpCall(0, claims),))
    taken = LeasesGranted(
        meta(3), ID, PLAN, f"plan:{PLAN}", ("a",), 7, 10.0, 2_000, at_once=True, expires_at=3, plan_id=PLAN
    )

    def placed(topic: str, *records: Record) -> list[Received]:
        return [Received(topic, 0, at, b"", b"", at, one, f"e{at}") for at, one in enumerate(records)]

    before = fold(placed("motet.events", admitted))
    assert (before.plans[PLAN]["leases"], before.plans[PLAN]["awaits_leases"]) == (["shared/a"], True)
    assert before.calls[PLAN][0]["leases"] == ["shared/a"]
    (row,) = before.claims.rows()
    assert (row["outside"], row["place"]) == ("PREDECESSOR", None)
    both = fold(placed("motet.events", admitted, lined_up))
    assert both.plans[PLAN]["awaits_leases"] is False
    assert fold(placed("motet.events", lined_up)).plans_changed[PLAN]["awaits_leases"] is False
    lease = fold(placed("motet.leases", taken)).upserts["lease_requests"][ID,]
    assert (lease["plan_id"], lease["holder"]) == (PLAN, f"plan:{PLAN}")
