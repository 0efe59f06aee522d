"""Recorded histories, fed to today's code: what was decided then is decided now, byte for byte. No Kafka, no registry; PostgreSQL for rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

import servers
from motet import agency, agents, coordinator, leases
from motet.chassis.errors import ConfigurationError
from motet.chassis.hop import MERGES
from motet.chassis.lanes import stamp_of
from motet.chassis.message import Message
from motet.chassis.settings import Settings
from motet.conformance import archive, rerun
from motet.conformance.rerun import Compared
from motet.plan import Plan, attempts, rules, starts
from motet.records import Invocation
from recorded import AGENTS

HERE: Final = Path(__file__).parent
HISTORIES: Final = sorted(HERE.glob("*.avro"))
SERVICES: Final = {"coordinator": coordinator.service, "agents": agents.service, "leases": leases.service}
ALL_BYTES: Final = 2_000_000
ROOT: Final = HERE.parents[1]
MODULES: Final = (
    ROOT / "examples" / "desk_agent.py",
    ROOT / "examples" / "estimator_agent.py",
    ROOT / "tests" / "integration" / "waiting_agent.py",
)


@pytest.fixture(scope="module")
def alone() -> Iterator[Settings]:
    """PostgreSQL and nothing else: whoever asked Kafka or the registry would fail."""
    with servers.open_directory() as directory, servers.postgres_alone(directory) as url:
        yield Settings(kafka_bootstrap="127.0.0.1:1", postgres_url=url, schema_registry_url="http://127.0.0.1:1")


def decided_by_agent(settings: Settings, module: Path) -> list[Compared]:
    """All shards of an agent, run again."""
    history = archive.read(AGENTS)
    then = history.settings_with(settings)
    with rerun.run_again(then, agency.service(agency.load(str(module)), then), history) as again:
        return [again.shard(number) for number in range(history.partitions)]


def decided(settings: Settings, file: Path, name: str) -> list[Compared]:
    """All shards of a service, run again."""
    history = archive.read(file)
    then = history.settings_with(settings)
    with rerun.run_again(then, SERVICES[name](then), history) as again:
        return [again.shard(number) for number in range(history.partitions)]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_old_decisions_of_agents_are_decided_alike(alone: Settings, module: Path) -> None:
    """The agents of the examples, and one that waits: whoever changes them changes what they decided, and records another history."""
    compared = decided_by_agent(alone, module)
    assert [str(one.difference) for one in compared if one.difference is not None] == []
    assert sum(one.records for one in compared) > 40


def test_a_change_of_an_agent_is_named_by_its_first_event(alone: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who is asked about smaller sums: the history says in which conversation that is first seen."""
    agent = agency.load(str(MODULES[0]))
    decides: Any = agent._message
    monkeypatch.setitem(decides.__globals__, "LARGE", 50)
    parted = [one.difference for one in decided_by_agent(alone, MODULES[0]) if one.difference is not None]
    assert {one.type for one in parted} == {"motet.agents.AgentStepped"}


def test_there_are_histories_and_they_are_small() -> None:
    """One at least, and not too much to carry."""
    assert HISTORIES
    assert sum(file.stat().st_size for file in HISTORIES) < ALL_BYTES


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
def test_old_decisions_are_decided_alike(alone: Settings, file: Path, name: str) -> None:
    """Every event that a service published, the same bytes at the same place."""
    compared = decided(alone, file, name)
    parted = [str(one.difference) for one in compared if one.difference is not None]
    assert not parted
    assert sum(one.records for one in compared) > {"coordinator": 300, "agents": 150, "leases": 10}[name]


def test_a_change_of_a_decision_is_named_by_its_first_event(alone: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits before another attempt that are no longer drawn: the golden histories say where that is first seen."""
    monkeypatch.setattr(attempts, "wait_ms", lambda *_: 1)
    parted = [one.difference for one in decided(alone, HISTORIES[0], "coordinator") if one.difference is not None]
    assert [one.type for one in parted] == ["motet.events.AttemptsEnded"]
    assert re.fullmatch(
        r"motet.events.AttemptsEnded at motet.events, partition \d, number \d+ on the lane differs in record.*",
        str(parted[0]),
    )
    assert parted[0].published is not None
    assert parted[0].today is not None


def test_a_new_rule_is_for_new_plans_only(alone: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that gives calls of its plans twice the time: no old history changes; asked of all plans, it changes every one."""
    usual, asked = attempts.begin, [2]

    def begin(plan: Plan, index: int, call: Any, contract: Any, now: int) -> Invocation:
        begun = usual(plan, index, call, contract, now)
        due = begun.deadline_at
        return replace(begun, deadline_at=2 * due) if due is not None and plan.rules >= asked[0] else begun

    monkeypatch.setattr(rules, "CURRENT", 2)
    monkeypatch.setattr(starts, "begin", begin)
    assert all(one.equal for one in decided(alone, HISTORIES[0], "coordinator"))
    asked[0] = 1
    parted = [one.difference for one in decided(alone, HISTORIES[0], "coordinator") if one.difference is not None]
    assert {one.type for one in parted} == {"motet.invocations.InvokeCalls"}


def test_rules_that_this_code_does_not_know_are_refused(alone: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that a newer version decided is not compared with an older one's decisions."""
    monkeypatch.setattr(rules, "CURRENT", 0)
    with pytest.raises(ConfigurationError, match="decided by rules 1, and this code knows them up to 0"):
        decided(alone, HISTORIES[0], "coordinator")


def test_a_batch_whose_merge_was_lost_follows_from_its_facts(alone: Settings) -> None:
    """A process died when some facts of its last batch were in Kafka, and how it was merged was not: what they name as causes was the batch."""
    history = archive.read(HISTORIES[0])
    then = history.settings_with(alone)
    number = Counter(one.partition for one in history.messages if one.topic == "motet.events").most_common(1)[0][0]
    left = list(history.messages)
    found: list[tuple[Compared, Compared]] = []
    while not found:
        merges = (one for one in left if one.topic == MERGES and one.partition == number and of(one, "coordinator"))
        left.remove(max(merges, key=lambda one: one.offset))
        cut = replace(history, messages=left, covered={})
        with rerun.run_again(then, coordinator.service(then), cut) as again:
            shard = rerun.ShardAgain(again, number, again.logs[number])
            gone = shard.compare()
            assert gone.difference is None
            # A batch from which nothing followed is no loss.
            if gone.later:
                found.append((gone, shard.go_on()))
    [(gone, told)] = found
    assert (told.difference, told.later) == (None, 0)
    assert told.records == gone.records + gone.later
    assert told.unpublished == gone.unpublished + 1


def of(message: Message, service: str) -> bool:
    """Whether a service published a message."""
    stamp = stamp_of(message.headers)
    return stamp is not None and stamp.service == service
