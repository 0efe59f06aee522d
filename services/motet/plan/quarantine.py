"""What a call in doubt keeps from others, pure: their state is unknown until it is settled."""

from __future__ import annotations

from collections.abc import Iterable

from motet.plan.board import Board
from motet.plan.lines import Owner, space_of
from motet.records import Claim, Reason


def hindrance(board: Board, owner: Owner, claims: Iterable[Claim], call_id: str | None) -> Reason | None:
    """Why claims of a domain cannot be had for now: a call in doubt has one of them, or a hosted plan that has such a call."""
    for claim in claims:
        # By name: the lines of a restored schedule may list them in another order.
        for name, index in sorted(board.lines.queues.in_the_way(claim, space_of(owner))):
            holder = board.plans.get(name.partition("#")[0])
            if holder is None:
                reservation = board.lines.reservations.get(name)
                if reservation is not None and reservation.doubt:
                    return quarantined(claim, reservation.doubt, name, call_id)
                continue
            # What undoes a call may be in doubt in its place.
            users = (holder.call_at(index), holder.compensations.get(index))
            if any(one is not None and one.in_doubt for one in users):
                who = holder.calls[index % len(holder.calls)].call_id
                return quarantined(claim, who, holder.plan_id, call_id)
    return None


def quarantined(claim: Claim, who: str, plan_id: str, call_id: str | None) -> Reason:
    """The reason."""
    message = f"{claim.resource} is in quarantine: {who} of plan {plan_id} is in doubt"
    return Reason("RESOURCE_IN_QUARANTINE", message, call_id)
