"""What is wrong with a plan's policy, pure."""

from __future__ import annotations

from collections.abc import Iterator

from motet.plan.limits import Limits
from motet.plan.spending import DIMENSIONS, limit_of
from motet.records import Policy, Reason


def policy_reasons(policy: Policy, calls: int, limits: Limits) -> Iterator[Reason]:
    """What is wrong with a policy."""
    words = {
        "batch": policy.batch,
        "on_failure": policy.on_failure,
        "in_doubt": policy.in_doubt,
        "quarantine": policy.quarantine,
        "unknown_resources": policy.unknown_resources,
    }
    for name, word in words.items():
        if word == "UNKNOWN":
            yield Reason("BAD_POLICY", f"{name} is a word that this version does not know", None)
    if policy.batch == "QUORUM" and not 1 <= (policy.quorum or 0) <= calls:
        message = f"quorum is {policy.quorum}, and the plan has {calls} calls: from 1 to so many can be enough"
        yield Reason("BAD_POLICY", message, None)
    if policy.batch != "QUORUM" and policy.quorum is not None:
        yield Reason("BAD_POLICY", f"quorum is {policy.quorum}, and batch is {policy.batch}: it goes with QUORUM", None)
    for name, seconds in (("deadline_seconds", policy.deadline_seconds), ("unknown_seconds", policy.unknown_seconds)):
        # Written so that NaN is refused.
        if seconds is not None and not 0 < seconds <= limits.longest_plan_seconds:
            message = f"{name} is {seconds:g}; it is above 0 and at most {limits.longest_plan_seconds:g}"
            yield Reason("BAD_POLICY", message, None)
    if policy.budget is not None:
        for name, limit in zip(DIMENSIONS, limit_of(policy.budget), strict=True):
            if limit is not None and limit < 0:
                yield Reason("BAD_POLICY", f"the budget's {name} is {limit}; it is 0 or more", None)
