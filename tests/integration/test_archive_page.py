"""An archive stands in for what Kafka has no more: `docs/archive.md` typed on servers of its own, with every service running and started again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
import pytest

import servers
from guide import Shell, typed
from motet.chassis.waiting import wait_until
from motet.client import Call
from terminal import terminal
from world import World, with_topics

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "archive.md").read_text()


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[World]:
    """Servers whose topics nobody else needs."""
    with servers.open_directory() as place, servers.embedded(place / ".motet") as addresses:
        world = World(with_topics(addresses), tmp_path)
        try:
            yield world
        finally:
            world.close()


@pytest.mark.timeout(240)
def test_kafka_forgets_what_an_archive_has(apart: World, tmp_path: Path) -> None:
    """Written, held to its files, deleted from Kafka; then everything that reads the log reads the archive first, and services go on."""
    starts: list[Callable[[], object]] = [apart.coordinator, apart.projector, partial(apart.tools, "crash_tools")]
    for start in starts:
        start()
    deposit(apart, 20)
    shell = terminal(apart)
    try:
        shell.run(f"cd {tmp_path}")
        for one in typed(PAGE):
            printed = shell.run(one.command)
            assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"
        and_on(apart, shell, tmp_path / "archived")
    finally:
        shell.close()
    # A service that is started again goes on behind what was deleted.
    for process in list(apart.running.values()):
        assert process.stop() == 0
    for start in starts:
        start()
    deposit(apart, 1)


def and_on(world: World, shell: Shell, archived: Path) -> None:
    """Two writers at once, a policy that is none, a lost database, a file that was changed."""
    begins = {
        one["partition"]: one
        for one in json.loads(shell.run("motet retention show --policy policy.yaml --archive archived --json"))[
            "partitions"
        ]
    }
    assert all(one["begin"] == one["upto"] for one in begins.values())
    assert any(one["begin"] for one in begins.values())
    assert "is no time: write" in shell.run(
        "printf 'topics: {motet.events: soon}' > bad.yaml; motet retention show --policy bad.yaml --archive archived"
    )
    told_with_and_without_files(world, shell)
    assert "projector is recovered: start it" in lost(world, shell)
    # What came since is archived as well, and nothing of it twice.
    deposit(world, 3)
    shell.run("motet archive write archived")
    assert json.loads(shell.run("motet audit --archive archived --json"))["violations"] == 0
    segment = max((archived / "motet.events").rglob("*.avro"), key=lambda path: path.name)
    segment.write_bytes(segment.read_bytes()[:-1] + b"x")
    said = shell.run("motet archive verify archived; echo exit $?")
    assert str(segment.relative_to(archived)) in said
    assert "exit 1" in said
    # Once it is older than the policy says.
    apply = "motet retention apply --policy policy.yaml --archive archived"
    wait_until(lambda: "nothing was deleted" in shell.run(apply), 30.0, "what was changed is refused")


def told_with_and_without_files(world: World, shell: Shell) -> None:
    """A plan that names what caused it, as PROV; and one whose records Kafka has no more: whole with the files, refused without."""
    first, *_ = world.sql("SELECT plan_id FROM motet.plans ORDER BY admitted_at LIMIT 1")[0]
    with world.client() as client:
        call = Call("crash.deposit", {"account": "a", "amount": 1})
        ended = client.run([call])
        next_one = client.run([call], caused_by=ended.event_id)
    world.await_no_lag("coordinator", "projector", "tools-crash")
    for plan in (first, next_one.plan_id):
        for form in ("prov", "openlineage"):
            json.loads(shell.run(f"motet lineage {plan} --as {form}"))
    without = "env -u MOTET_ARCHIVE_DIRECTORY motet lineage"
    said = shell.run(f"{without} {first} --as prov")
    assert "half a story is none. If they were archived, set MOTET_ARCHIVE_DIRECTORY" in said
    # What SQL knows of it is shown all the same.
    assert "PlanEnded" in shell.run(f"{without} {first}")


def deposit(world: World, count: int) -> None:
    """Plans, and everybody has taken what follows from them."""
    with world.client() as client:
        for number in range(count):
            assert client.run([Call("crash.deposit", {"account": f"a{number % 3}", "amount": 1})]).status == "SUCCEEDED"
    world.await_no_lag("coordinator", "projector", "tools-crash")


def lost(world: World, shell: Shell) -> str:
    """The projector's database is gone; made again from the archive and Kafka."""
    assert world.running["projector"].stop() == 0
    with psycopg.connect(world.addresses.postgres) as connection:
        connection.execute("DROP SCHEMA motet CASCADE; DROP SCHEMA projector CASCADE")
    printed = shell.run("motet recover projector")
    world.projector()
    return printed
