"""Order within a plan: topological, ties in the order written (Kahn's algorithm with a heap)."""

from __future__ import annotations

import heapq
from collections.abc import Sequence


def topological_order(after: Sequence[Sequence[int]]) -> list[int]:
    """Indexes such that each comes behind those it is after; among the possible ones the lowest first.

    Nodes of a cycle, and those behind one, are missing from the answer.
    """
    if not any(after):
        return list(range(len(after)))
    waits = [len(set(edges)) for edges in after]
    followers: list[list[int]] = [[] for _ in after]
    for index, edges in enumerate(after):
        for before in set(edges):
            followers[before].append(index)
    ready = [index for index, count in enumerate(waits) if count == 0]
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for follower in followers[index]:
            waits[follower] -= 1
            if waits[follower] == 0:
                heapq.heappush(ready, follower)
    return order


def find_cycle(after: Sequence[Sequence[int]]) -> list[int]:
    """The indexes of one cycle, in the order of its edges; empty if there is none."""
    left = set(range(len(after))) - set(topological_order(after))
    if not left:
        return []
    path: list[int] = []
    index = min(left)
    while index not in path:
        path.append(index)
        # Every node left waits for another one left, so that following the edges must come round.
        index = min(before for before in after[index] if before in left)
    return path[path.index(index) :]
