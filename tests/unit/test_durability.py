"""What is said of servers' settings: everything that could be lost, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from motet.chassis.durability import GROUPS, Servers, judge

TOPIC = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}
KEPT = Servers(
    3,
    {"motet.commands": 3, "motet.events": 3, GROUPS: 3},
    {"motet.commands": TOPIC, "motet.events": TOPIC},
    {"fsync": "on", "full_page_writes": "on", "synchronous_standby_names": "second"},
)


def lacking(servers: Servers) -> dict[str, str]:
    """What is found of each setting that is not enough."""
    return {one.what: one.found for one in judge(servers) if not one.ok}


def test_what_keeps_everything_lacks_nothing() -> None:
    """Each setting is said all the same."""
    assert lacking(KEPT) == {}
    assert len([*judge(KEPT)]) == 7


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        (replace(KEPT, copies={**KEPT.copies, "motet.events": 2}), "2 (1 topics, such as motet.events); 3 brokers"),
        (replace(KEPT, topics={**KEPT.topics, "motet.events": {**TOPIC, "min.insync.replicas": "1"}}), "1"),
        (
            replace(KEPT, topics={"motet.events": {**TOPIC, "unclean.leader.election.enable": "true"}}),
            "true (1 topics, such as motet.events)",
        ),
        (replace(KEPT, copies={**KEPT.copies, GROUPS: 1}), "1"),
        (replace(KEPT, postgres={**KEPT.postgres, "fsync": "off"}), "off"),
        (replace(KEPT, postgres={**KEPT.postgres, "full_page_writes": "off"}), "off"),
        (replace(KEPT, postgres={**KEPT.postgres, "synchronous_standby_names": ""}), "none"),
    ],
)
def test_what_is_not_enough_is_named_alone(servers: Servers, said: str) -> None:
    """With what was found."""
    assert list(lacking(servers).values()) == [said]


def test_servers_without_topics_keep_nothing() -> None:
    """Nothing was made yet, so nothing says that it will be kept."""
    assert {"copies of each topic", "copies of what groups committed"} <= lacking(Servers(1, {})).keys()
