"""Who holds, who waits and why, twice: as a schedule has it, and as the projector's rows say it.

The rows are read in the plainest way: each claim is compared with each one before it. The views say the same by counting.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from motet.plan import Plan, Schedule
from motet.plan.lines import NOT_IN_LINE
from motet.plan.model import Call
from motet.plan.slots import READY
from motet.projector.changes import Row
from motet.resources.queues import kind_of
from tables import Tables

# A plan, the index of a call of it, and whether it is what undoes that call.
Who = tuple[str, int, bool]
# Who waits, why, and for whom if it is somebody.
Why = tuple[Who, str, Who | None]
UNBEGUN: Final = ("WAITING", "AWAITING_APPROVAL")


@dataclass
class Picture:
    """Who uses which resource in which state, and why calls do not run. What is not in line has no resource: it may not be known which."""

    uses: dict[tuple[Who, str], str] = field(default_factory=dict)
    reasons: set[Why] = field(default_factory=set)


@dataclass(frozen=True)
class Stand:
    """A claim in a queue: whose, in which line, of which kind, if it is counted below a whole, and if its call ended."""

    who: Who
    line: Any
    kind: str
    below: bool
    held: bool

    def waits_for(self, other: Stand) -> bool:
        """Whether another claim, which is before this one, cannot share with it."""
        apart = other.held and other.line == self.line
        return not (self.below and other.below) and not apart and (not self.kind or other.kind != self.kind)


def behind(queue: Sequence[Stand]) -> Iterator[tuple[Stand, list[Stand]]]:
    """The claims of a queue that wait, each with those because of whom it does: what it cannot share with, else what the queue stops at."""
    first: list[Stand] = []
    for at, one in enumerate(queue):
        blockers = [other for other in queue[:at] if one.waits_for(other)]
        if blockers or first:
            yield one, blockers or list(first)
        first += [one] if blockers else []


# -- as the schedule has it ------------------------------------------------------------------------------------------------


def truth(schedule: Schedule) -> Picture:
    """What queues, slots, budgets and calls have."""
    picture = Picture()
    for plan in schedule.plans.values():
        for index, call in plan.everything():
            who = who_is(plan, index)
            picture.reasons.update((who, *why) for why in reasons(schedule, plan, index, call))
            if call.part == NOT_IN_LINE and call.status != "DONE" and not who[2]:
                picture.uses.update(dict.fromkeys([(who, "")] if call.claims else [], outside(plan, call)))
    in_line(schedule, picture)
    return picture


def who_is(plan: Plan, index: int) -> Who:
    """A call, or what undoes it."""
    size = len(plan.calls)
    return (plan.plan_id, index % size, index >= size)


def outside(plan: Plan, call: Call) -> str:
    """Why a call is not in line."""
    if call.approval in ("NEEDED", "ASKED"):
        return "AWAITS_APPROVAL"
    lines_up = plan.policy.unknown_resources == "LINE_UP"
    return "AWAITS_RESULT" if call.unknown and lines_up else "AWAITS_PREDECESSOR"


def in_line(schedule: Schedule, picture: Picture) -> None:
    """Who holds and who waits, as the queues have granted it, and behind whom."""
    queues = schedule.board.lines.queues
    granted: dict[Any, list[Any]] = defaultdict(list)
    for call in [one for calls in queues.standing.values() for one in calls.values()]:
        plan = schedule.plans[call.plan_id.partition("#")[0]]
        who, has = who_is(plan, call.index), True
        users = (plan.compensations.get(who[1]), None if who[2] else plan.calls[who[1]])
        in_doubt = any(one is not None and one.in_doubt for one in users)
        for place in call.places:
            has = has and place.granted
            if place.granted:
                granted[place.queue].append(place)
            if not place.below:
                resource = place.queue.name.split("/", 2)[2]
                picture.uses[who, resource] = "QUARANTINE" if in_doubt else "HOLDS" if has else "WAITS"
                has = True
    for queue in queues.queues.values():
        before = [stand(schedule, one) for one in granted[queue]]
        stops: list[Stand] = []
        for one in (stand(schedule, place) for place in queue.waiting):
            blockers = [other for other in before if one.waits_for(other)]
            picture.reasons.update((one.who, "RESOURCE", other.who) for other in blockers or stops)
            stops += [one] if blockers else []
            before.append(one)


def stand(schedule: Schedule, place: Any) -> Stand:
    """A place in a queue."""
    name = place.call.plan_id
    who = who_is(schedule.plans[name.partition("#")[0]], place.call.index)
    return Stand(who, name, place.kind, place.below, place.held)


def reasons(schedule: Schedule, plan: Plan, index: int, call: Call) -> Iterator[tuple[str, Who | None]]:
    """Why a call does not run, but for resources."""
    if call.in_doubt:
        yield "DOUBT", None
    if call.status == "WAITING":
        yield from (("PREDECESSOR", who_is(plan, one)) for one in call.after if not plan.lets_pass(plan.calls[one]))
        if call.approval == "ASKED":
            yield "APPROVAL", None
    if call.slot not in ("", READY):
        yield "SLOT", None
    elif call.status != "DONE" and any(
        (plan.plan_id, index) in ledger.waiting for _, ledger in schedule.board.guards.ledgers_of(plan)
    ):
        yield "BUDGET", None
    elif call.status == "RETRYING":
        yield "RETRY", None


# -- as the rows say it ----------------------------------------------------------------------------------------------------


def projected(tables: Tables) -> Picture:
    """What `resources` and `why_waiting` show of the rows."""
    picture, queues = Picture(), defaultdict[Any, list[tuple[Any, str, Stand]]](list)
    for row in tables.claims.values():
        who = (row["plan_id"], row["index"], row["compensation"])
        state = "QUARANTINE" if row["in_doubt"] else "HOLDS"
        if row["outside"] is not None:
            picture.uses[who, ""] = f"AWAITS_{row['outside']}"
            continue
        picture.uses[who, row["resource"]] = state
        for queue in row["queues"]:
            at = (row["place"], row["rank"])
            held = row["call_ended"] and not row["open"]
            below = queue != row["resource"]
            one = Stand(who, (row["plan_id"], row["place"]), kind_of(row["mode"], row["operation"]), below, held)
            queues[row["tenant"], row["domain"], row["host"], queue].append((at, row["resource"], one))
    for queue in queues.values():
        queue.sort(key=lambda each: each[0])
        claimed = {one: resource for _, resource, one in queue}
        for one, others in behind([one for _, _, one in queue]):
            if picture.uses[one.who, claimed[one]] == "HOLDS":
                picture.uses[one.who, claimed[one]] = "WAITS"
            picture.reasons.update((one.who, "RESOURCE", other.who) for other in others)
    picture.reasons.update(why_not_running(tables))
    return picture


def why_not_running(tables: Tables) -> Iterable[Why]:
    """What the view shows beside resources."""
    others = tables.others
    for (plan_id, index), row in tables.calls.items():
        who = (plan_id, index, False)
        if row["status"] in UNBEGUN:
            for before in row["after"]:
                other = tables.calls[plan_id, before]
                if other.get("committed_at") is None and other["status"] != "ENDED":
                    yield who, "PREDECESSOR", (plan_id, before, False)
        yield from timed(who, row, row["status"] in ("RETRYING", "RECONCILING"), in_doubt=row["in_doubt"])
    for (plan_id, index), row in others.get("compensations", {}).items():
        yield from timed((plan_id, index, True), row, retries=True, in_doubt=row.get("state") == "IN_DOUBT")
    for (plan_id, index), row in others.get("approvals", {}).items():
        if row["state"] == "REQUESTED":
            yield (plan_id, index, False), "APPROVAL", None


def timed(who: Who, row: Row, retries: bool, *, in_doubt: bool) -> Iterable[Why]:
    """Slots, budgets, retries and doubt."""
    if row.get("waits_for") is not None:
        yield who, row["waits_for"].partition(" ")[0], None
    elif retries and row.get("next_attempt_at") is not None:
        yield who, "RETRY", None
    if in_doubt:
        yield who, "DOUBT", None
