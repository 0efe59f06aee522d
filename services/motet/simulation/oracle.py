"""The serial oracle: what was done, done once more, one call after the other in the order of the lines, with nothing beside it."""

from __future__ import annotations

from typing import Any

from motet.simulation.judge import Judge
from motet.simulation.violations import Violation
from motet.simulation.world import READING, World, change


def compare(world: World, judge: Judge) -> None:
    """Runs everything serially and compares each result and the final state. Raises Violation (P3) where they differ."""
    todo: list[tuple[int, str, str, str, str, str, int]] = sorted(world.effects.values())
    todo += readings(judge)
    todo.sort()
    numbers: dict[str, dict[str, int]] = {domain: {} for domain in world.numbers}
    totals: dict[str, dict[str, int]] = {domain: {} for domain in world.totals}
    for _, domain, tool, arguments, result, plan_id, index in todo:
        serial = change(numbers[domain], totals[domain], tool, arguments)
        if serial != result:
            where = f"{tool} {arguments}, call {index} of plan {plan_id}"
            raise Violation("P3", f"{where}: expected {serial} as in the serial run, found {result}")
    for domain, found in world.numbers.items():
        same(domain, "", numbers[domain], found)
        same(domain, "'s sum", totals[domain], world.totals[domain])


def readings(judge: Judge) -> list[Any]:
    """What calls that read were told, as far as their plans used it."""
    out = []
    for watch in judge.watches.values():
        heads, places = watch.template.heads, watch.template.places
        for one in watch.committed:
            tool = heads[one.index][1]
            if one.outcome == "SUCCEEDED" and tool in READING and not heads[one.index][8]:
                rank = watch.base + places[one.index] if watch.placed is None else watch.placed[one.index]
                out.append((rank, watch.domain, tool, heads[one.index][3], one.result, watch.plan_id, one.index))
    return out


def same(domain: str, what: str, expected: dict[str, int], found: dict[str, int]) -> None:
    """Compares the accounts of a domain."""
    if expected != found:
        for name in sorted({*expected, *found}):
            if expected.get(name, 0) != found.get(name, 0):
                where = f"account:{name}{what} of domain {domain}"
                raise Violation("P3", f"{where}: expected {expected.get(name, 0)}, found {found.get(name, 0)}")
