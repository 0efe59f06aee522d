"""Every rule of the audit finds its planted violation in a recorded history, and names exactly that record; the history itself has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from motet.audit.auditor import Auditor
from motet.chassis import lanes
from motet.chassis.canonical import compact, sha256_text
from motet.chassis.message import Message
from recorded import Recorded, another_contract, recorded, same, stamp_of, stamped, unknown_contract

# Tampers with a history; the record that is to be named.
Tamper = Callable[[Recorded], Message]


def test_the_recorded_history_has_no_violation() -> None:
    """Kills, retries, doubt, undoing, people, hybrid plans and leases: all of it is as it must be, and every rule looked at something."""
    found = recorded().audit()
    assert found.findings == []
    assert found.events == 750
    assert found.repeats > 0
    assert {one.name for one in found.rules.values() if not one.checked} == {"conversations", "decided by"}


def next_on_lane(log: Recorded, message: Message) -> Message:
    """The record behind one on its lane."""
    stamp = lanes.Stamp.unpack(stamp_of(message))
    for one in log.by[message.topic, message.partition]:
        found = lanes.Stamp.unpack(stamp_of(one))
        if (found.service, found.shard, found.number) == (stamp.service, stamp.shard, stamp.number + 1):
            return one
    raise LookupError("it is the last one")


def once(log: Recorded, message: Message) -> Message:
    """A record without its repeats."""
    for one in list(log.by[message.topic, message.partition]):
        if same(one, message) and one != message:
            log.put(one, None)
    return message


# -- lanes and digests -----------------------------------------------------------------------------------------------------


def dropped(log: Recorded) -> Message:
    """A record is gone: the next one on its lane says so."""
    gone = once(log, log.find("CallsStarted", nth=3))
    behind = next_on_lane(log, gone)
    log.put(gone, None)
    return behind


def swapped(log: Recorded) -> Message:
    """Two records of a lane changed places."""
    first = once(log, log.find("Merged", nth=4))
    second = once(log, next_on_lane(log, first))
    early = replace(second, offset=first.offset, timestamp_ms=first.timestamp_ms)
    log.put(first, early)
    log.put(second, replace(first, offset=second.offset, timestamp_ms=second.timestamp_ms))
    return early


def repeated_otherwise(log: Recorded) -> Message:
    """A number comes twice, the second time with other bytes."""
    like = log.find("CallsStarted", nth=2)
    return log.forge(like, lambda datum: datum["indexes"].append(1))


def on_no_lane(log: Recorded) -> Message:
    """A record that no service of ours wrote."""
    forged = log.forge(log.find("PlanEnded"), lambda _: None)
    bare = replace(forged, headers=())
    log.put(forged, bare)
    return bare


def rewritten(log: Recorded) -> Message:
    """A field has another value, and no digest was made anew."""
    return log.rewrite(once(log, log.find("PlanAdmitted", nth=2)), lambda datum: datum.update(agent="somebody"))


def another_digest(log: Recorded) -> Message:
    """A header carries another digest than that of the record before."""
    one = once(log, log.find("PlanAdmitted", nth=2))
    next_on_lane(log, one)
    changed = stamped(one, replace(lanes.Stamp.unpack(stamp_of(one)), previous=bytes(32)).pack())
    log.put(one, changed)
    return changed


def on_no_lane_and_buried(log: Recorded) -> Message:
    """The same, and an event that it caused: as a dead letter is, which nobody misses the cause of."""
    bare = on_no_lane(log)
    log.forge(
        next(one for one in log.by["motet.merges", bare.partition]),
        lambda datum: datum["meta"].update(causation_id=bare.where),
    )
    return bare


# -- records and causes ----------------------------------------------------------------------------------------------------


def cut(log: Recorded) -> Message:
    """The last byte of a value is gone, and every digest fits."""
    one = once(log, log.find("CallsStarted", nth=3))
    changed = replace(one, value=(one.value or b"")[:-1])
    log.put(one, changed)
    return changed


def of_another_topic(log: Recorded) -> Message:
    """A record that its topic is not for."""
    like = log.find("TimerFired")
    forged = log.forge(log.find("Merged"), lambda _: None)
    changed = replace(forged, value=like.value)
    log.put(forged, changed)
    return changed


def garbage_at_the_door(log: Recorded) -> Message:
    """What is no record, and no dead letter has it."""
    forged = log.forge(log.find("SubmitPlan"), lambda _: None)
    changed = replace(forged, value=b"hello")
    log.put(forged, changed)
    return changed


def without_cause(log: Recorded) -> Message:
    """An event names a cause that nobody published."""
    return log.rewrite(log.find("AttemptsEnded"), lambda datum: datum["meta"].update(causation_id="0" * 32))


def without_place(log: Recorded) -> Message:
    """An event names a place that is not there."""
    return log.rewrite(
        log.find("CommandRefused"), lambda datum: datum["meta"].update(causation_id="motet.commands:0:99999")
    )


def before_cause(log: Recorded) -> Message:
    """An effect is earlier than its cause."""
    return log.rewrite(log.find("AttemptsEnded"), lambda datum: datum["meta"].update(hlc=1 << 40))


def other_tenant(log: Recorded) -> Message:
    """An event of one tenant says that it is another's."""
    return log.rewrite(log.find("CallsStarted"), lambda datum: datum["meta"].update(tenant="mallory"))


def other_key(log: Recorded) -> Message:
    """An event stands under another tenant's key."""
    one = once(log, log.find("CallsStarted", nth=3))
    changed = replace(one, key=b"mallory/main")
    log.put(one, changed)
    return changed


# -- plans -----------------------------------------------------------------------------------------------------------------


def no_answer(log: Recorded) -> Message:
    """A command's answer is gone, without a trace."""
    answer = once(log, log.find("CommandRefused"))
    topic, partition, offset = log.data(answer)[1]["meta"]["causation_id"].split(":")
    log.put(answer, None)
    return next(one for one in log.by[topic, int(partition)] if one.offset == int(offset))


def two_answers(log: Recorded) -> Message:
    """A plan that was submitted is admitted once more, after its end."""
    return log.forge(log.find("PlanAdmitted"), lambda _: None)


def two_ends(log: Recorded) -> Message:
    """A plan ends twice."""
    return log.forge(log.find("PlanEnded"), lambda _: None)


def end_without_calls(log: Recorded) -> Message:
    """A call's place in the history is gone, and every digest fits."""
    gone = once(log, log.find("CallsCommitted", lambda datum: datum["calls"][0]["outcome"] == "FAILED"))
    plan = log.data(gone)[1]["plan_id"]
    log.put(gone, None)
    return log.find("PlanEnded", lambda datum: datum["plan_id"] == plan)


def other_history(log: Recorded) -> Message:
    """A terminal event has another digest of the history."""
    return log.rewrite(log.find("PlanEnded"), lambda datum: datum.update(history_sha256="0" * 64))


def other_result(log: Recorded) -> Message:
    """A result is another one than its digest's."""
    return log.rewrite(succeeded(log), lambda datum: datum["calls"][0].update(result='"nothing"'))


def other_arguments(log: Recorded) -> Message:
    """The arguments of an admitted call are others than their digest's."""
    return log.rewrite(log.find("PlanAdmitted"), lambda datum: datum["calls"][0].update(arguments='{"a":1}'))


def invented_result(log: Recorded) -> Message:
    """A result is another one everywhere in the plan's events, digests and all: only the tool service said otherwise."""
    one = succeeded(log)
    plan = log.data(one)[1]["plan_id"]
    said, digest = '"invented"', sha256_text('"invented"')
    changed = log.rewrite(one, lambda datum: datum["calls"][0].update(result=said, result_sha256=digest))
    head = log.data(log.find("PlanAdmitted", lambda datum: datum["plan_id"] == plan))[1]["calls"][0]
    words = [
        head["call_id"],
        head["tool"],
        head["contract_version"],
        head["arguments_sha256"],
        "SUCCEEDED",
        digest,
        None,
    ]

    def end(datum: dict[str, Any]) -> None:
        datum["results"][0].update(result=said, result_sha256=digest)
        datum["history_sha256"] = sha256_text(compact([words]))

    log.rewrite(log.find("PlanEnded", lambda datum: datum["plan_id"] == plan), end)
    return changed


def succeeded(log: Recorded) -> Message:
    """The place in the history of the one call of a plan, which succeeded and was not settled."""
    settled = log.data(log.find("CallSettled"))[1]["plan_id"], log.data(log.find("CallSettled", nth=1))[1]["plan_id"]
    single = {
        datum["plan_id"]
        for many in log.by.values()
        for name, datum in map(log.data, many)
        if name == "PlanAdmitted" and len(datum["calls"]) == 1 and datum["plan_id"] not in settled
    }
    return log.find(
        "CallsCommitted", lambda datum: datum["calls"][0]["outcome"] == "SUCCEEDED" and datum["plan_id"] in single
    )


def started_after_barrier(log: Recorded) -> Message:
    """A call of a plan starts after its barrier."""
    plan = log.data(log.find("BarrierRaised"))[1]["plan_id"]
    return log.forge(log.find("CallsStarted", lambda datum: datum["plan_id"] == plan), lambda _: None)


def sent_after_barrier(log: Recorded) -> Message:
    """A call of a plan is sent to run after its barrier, and no event says so."""
    plan = log.data(log.find("BarrierRaised"))[1]["plan_id"]
    return log.forge(log.find("InvokeCalls", lambda datum: datum["plan_id"] == plan), lambda _: None)


def undone_twice(log: Recorded) -> Message:
    """A call that was undone is undone again."""
    return log.forge(log.find("CompensationStarted"), lambda datum: datum.update(attempt=9))


def undone_out_of_order(log: Recorded) -> Message:
    """The call that was committed first is undone while later ones are not."""
    several = log.find(
        "CallsCommitted",
        lambda datum: sum(call["outcome"] == "SUCCEEDED" for call in datum["calls"]) > 1,
    )
    datum = log.data(several)[1]
    first = next(call["index"] for call in datum["calls"] if call["outcome"] == "SUCCEEDED")
    admitted = log.find("PlanAdmitted", lambda one: one["plan_id"] == datum["plan_id"])
    log.rewrite(admitted, lambda one: one["policy"].update(on_failure="COMPENSATE"))
    like = log.find("CompensationStarted")
    owner = {name: datum["meta"][name] for name in ("tenant", "domain")}

    def change(one: dict[str, Any]) -> None:
        one.update(plan_id=datum["plan_id"], index=first)
        one["meta"].update(owner, hlc=datum["meta"]["hlc"] + (1 << 36), causation_id=datum["meta"]["event_id"])

    many = log.by[several.topic, several.partition]
    moved = replace(
        like, partition=several.partition, key=several.key, headers=several.headers, offset=many[-1].offset + 1
    )
    many.append(moved)
    made = log.forge(moved, change)
    log.put(moved, None)
    return made


# -- people and leases -----------------------------------------------------------------------------------------------------


def forged_approval(log: Recorded) -> Message:
    """A question that nobody answered was approved, it says."""
    return log.rewrite(log.find("ApprovalDecided"), lambda datum: datum.update(decision="APPROVED", agent="boss"))


def approval_of_another_command(log: Recorded) -> Message:
    """An approval names a command that was about something else."""
    where = log.data(log.find("BarrierRaised", lambda datum: datum["cause"] == "CANCEL"))[1]["meta"]["causation_id"]

    def change(datum: dict[str, Any]) -> None:
        datum.update(decision="APPROVED", agent="boss")
        datum["meta"]["causation_id"] = where

    return log.rewrite(log.find("ApprovalDecided"), change)


def approval_of_other_arguments(log: Recorded) -> Message:
    """A decision is about other arguments than were asked about."""
    return log.rewrite(log.find("ApprovalDecided"), lambda datum: datum.update(arguments_sha256="0" * 64))


def run_without_approval(log: Recorded) -> Message:
    """A call that needs an approval is sent to run without one."""
    plan = log.data(log.find("ApprovalDecided"))[1]["plan_id"]
    one = log.find("ApprovalDecided")
    like = log.find("InvokeCalls", lambda datum: datum["meta"]["domain"] == log.data(one)[1]["meta"]["domain"])
    return log.forge(like, lambda datum: datum.update(plan_id=plan))


def lower_token(log: Recorded) -> Message:
    """A lease is granted with a token that was given before."""
    return log.rewrite(log.find("LeasesGranted", nth=1), lambda datum: datum.update(token=1))


def other_token(log: Recorded) -> Message:
    """A lease is renewed under another token."""
    return log.rewrite(log.find("LeasesRenewed"), lambda datum: datum.update(token=9))


UNCHAINED = (
    (dropped, "lanes"),
    (repeated_otherwise, "lanes"),
    (on_no_lane, "lanes"),
    (rewritten, "hash chain"),
    (another_digest, "hash chain"),
    (garbage_at_the_door, "decodes"),
)
CHAINED = (
    (unknown_contract, "contracts"),
    (another_contract, "contracts"),
    (cut, "decodes"),
    (of_another_topic, "decodes"),
    (without_cause, "causes"),
    (without_place, "causes"),
    (before_cause, "causes"),
    (other_tenant, "tenants"),
    (other_key, "tenants"),
    (no_answer, "answered"),
    (two_answers, "answered"),
    (two_ends, "one end"),
    (end_without_calls, "one end"),
    (other_history, "history"),
    (other_result, "history"),
    (other_arguments, "history"),
    (invented_result, "results"),
    (started_after_barrier, "barriers"),
    (sent_after_barrier, "barriers"),
    (undone_twice, "compensations"),
    (undone_out_of_order, "compensations"),
    (forged_approval, "approvals"),
    (approval_of_another_command, "approvals"),
    (approval_of_other_arguments, "approvals"),
    (run_without_approval, "approvals"),
    (lower_token, "fencing"),
    (other_token, "fencing"),
)


@pytest.mark.parametrize(("tamper", "rule"), UNCHAINED, ids=lambda one: getattr(one, "__name__", ""))
def test_what_is_changed_without_its_digests_is_named(tamper: Tamper, rule: str) -> None:
    """One record, one finding of its rule, at its place."""
    log = recorded()
    changed = tamper(log)
    found = log.audit()
    assert {(one.rule, one.where) for one in found.findings if one.rule == rule} == {(rule, changed.where)}
    assert found.first is not None


@pytest.mark.parametrize(("tamper", "rule"), CHAINED, ids=lambda one: getattr(one, "__name__", ""))
def test_what_is_changed_with_all_its_digests_is_named(tamper: Tamper, rule: str) -> None:
    """Whoever can write a whole topic anew still has to keep every other fact."""
    log = recorded()
    changed = tamper(log)
    found = log.chained().audit()
    assert {one.rule for one in found.findings} & {"lanes", "hash chain"} == set()
    first, *others = dict.fromkeys(one.where for one in found.findings if one.rule == rule)
    assert first == changed.where
    # What is said later of the same plan or lease does not fit either.
    assert len(others) <= (tamper in (other_result, lower_token))


def test_what_nobody_can_read_is_a_cause_all_the_same() -> None:
    """A dead letter names the place of what it is about."""
    log = recorded()
    on_no_lane_and_buried(log)
    assert "causes" not in {one.rule for one in log.audit().findings}


def test_two_records_that_changed_places_are_both_named() -> None:
    """The first is a gap, the second was there already."""
    log = recorded()
    early = swapped(log)
    found = log.audit()
    assert found.first is not None
    assert (found.first.rule, found.first.where) == ("lanes", early.where)


def test_every_rule_has_a_planted_violation() -> None:
    """A rule that was never seen to find something may look at nothing."""
    # Those of agents are planted in another history (test_audit_conversations.py), those of headers in test_audit_decided.py.
    planted = {rule for _, rule in (*UNCHAINED, *CHAINED)} | {"conversations", "decided by"}
    auditor = Auditor(lambda _: (None, {}), {}, 4, lambda _topic, _partition: None, lambda _: None)
    assert planted == {rule.name for rule in auditor.rules}
