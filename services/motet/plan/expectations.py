"""What a call may expect of versions, pure: optimistic concurrency belongs to effects that are in the transaction that looks at them."""

from __future__ import annotations

from collections.abc import Iterator

from motet.plan.limits import Limits
from motet.plan.text import unprintable
from motet.records import PlannedCall


def expectation_faults(call: PlannedCall, effect: str, limits: Limits) -> Iterator[str]:
    """What is wrong with the versions that a call expects."""
    expected = call.expected_versions
    if expected and effect != "TRANSACTIONAL":
        yield f"it expects versions, and {call.tool} is {effect}: only what a transactional tool writes has versions"
    if len(expected) > limits.resources_per_call:
        yield f"it expects {len(expected)} versions; the limit is {limits.resources_per_call}"
    names = [one.resource for one in expected]
    for one in expected[: limits.resources_per_call]:
        if not one.resource or len(one.resource) > limits.resource_length or unprintable(one.resource):
            yield (
                f"it expects a version of {one.resource[:50]!r}: a resource has 1 to {limits.resource_length} printable characters"
            )
        elif names.count(one.resource) > 1:
            yield f"it expects a version of {one.resource} twice"
        if one.version < 0:
            yield f"it expects version {one.version} of {one.resource[:50]!r}; a version is 0 or more"
