"""`docs/personal.md` typed on servers of its own; then the name is looked for in everything that they have on their disks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import pytest

import servers
from guide import Shell, typed
from motet.chassis.subject_keys import KeysUnavailable, SubjectKeys
from motet.client import Call, Client
from motet.personal.sealing import KeyErased, NoSuchKey
from motet.records import PlanRejected
from terminal import ROOT, said, terminal
from world import World, with_topics

PAGE: Final = (ROOT / "docs" / "personal.md").read_text()
NAMES: Final = (b"Lovelace-Byron", "Lovelace-Byron".encode("utf-16-le"))


@dataclass
class Apart:
    """A running Motet whose servers' disks have nothing else."""

    world: World
    disks: Path


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Apart]:
    """Servers of the test's own."""
    with servers.open_directory() as place, servers.embedded(place / ".motet") as addresses:
        world = World(with_topics(addresses), tmp_path)
        try:
            yield Apart(world, place)
        finally:
            world.close()


def everywhere(directory: Path) -> list[str]:
    """The files below a directory that have the name in them; links are followed, for PostgreSQL's data may be elsewhere."""
    files = (Path(folder) / name for folder, _, names in os.walk(directory, followlinks=True) for name in names)
    return [str(path) for path in files if path.is_file() and any(one in path.read_bytes() for one in NAMES)]


@pytest.mark.timeout(240)
def test_the_name_is_nowhere(apart: Apart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in a topic, a table, PostgreSQL's own log, a service's log or an archive: not in any byte that is on a disk."""
    world = apart.world
    for start in (world.coordinator, world.projector):
        start()
    world.tools(str(ROOT / "examples" / "customer_tools.py"))
    shell = terminal(world)
    try:
        for one in typed(PAGE):
            printed = said(shell, one)
            assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"
        assert "records of cluster" in shell.run(f"motet archive write {tmp_path / 'archived'}")
        policies(world, shell, tmp_path)
    finally:
        shell.close()
    monkeypatch.setenv("MOTET_SUBJECT_KEYS_URL", world.addresses.postgres)
    with Client(world.addresses.kafka, world.addresses.registry, tenant="acme", domain="post") as client:
        outcome = client.run([Call("customer.send", {"customer": "44", "name": "Augusta Lovelace-Byron"})])
    assert outcome.results[0].value["addressed_to"] == "Dear Augusta Lovelace-Byron"
    monkeypatch.delenv("MOTET_SUBJECT_KEYS_URL")
    assert everywhere(apart.disks) == []
    assert everywhere(tmp_path) == []
    rows = dumped(world)
    assert any("sealed.v1." in row for row in rows)
    # What is looked for would be found: it stands in what a client without keys sends, which is refused.
    (event,) = refused(world)
    assert "Lovelace" not in str(event)
    found = everywhere(apart.disks)
    assert found
    assert all("motet.commands" in path for path in found)


def policies(world: World, shell: Shell, directory: Path) -> None:
    """Retention by tenant: a subject that was written of today stays, whatever the policy's time; a policy with other words is refused."""
    archived = directory / "archived"
    apply = f"motet retention apply --policy {directory}/policy.yaml --archive {archived}"
    shell.run(f"printf 'tenants: {{acme: 1d}}' > {directory}/policy.yaml")
    shell.run("motet subjects seal customer:43 '\"Grace\"' --tenant acme")
    assert "\n0 subjects of tenant acme were erased" in shell.run(apply)
    world.sql(
        "UPDATE motet_subjects.subject_key SET used_at = now() - interval '3 days' WHERE subject = 'customer:43' RETURNING 1"
    )
    assert "\n1 subjects of tenant acme would be erased" in shell.run(apply.replace("apply", "show"))
    assert "\n1 subjects of tenant acme were erased" in shell.run(apply)
    assert "unused for 1 day" in shell.run("motet subjects list --tenant acme")
    shell.run(f"printf 'people:\n  acme: 1s\n' > {directory}/policy.yaml")
    assert "is no policy" in shell.run(f"motet retention show --policy {directory}/policy.yaml --archive {archived}")


def refused(world: World) -> list[PlanRejected]:
    """A plan with the name as it is, from a client that has no keys."""
    with Client(world.addresses.kafka, world.addresses.registry, tenant="acme", domain="post") as client:
        plan = client.submit([Call("customer.send", {"customer": "42", "name": "Ada Lovelace-Byron"})])
        outcome = plan.wait()
        assert outcome.status == "REJECTED"
        assert [one.code for one in outcome.reasons] == ["ARGUMENTS_INVALID"]
        return [
            one.record
            for one in client.events(tenant="acme", plan_id=plan.plan_id, follow=False)
            if isinstance(one.record, PlanRejected)
        ]


def dumped(world: World) -> list[str]:
    """Every row of every table, as text."""
    with psycopg.connect(world.addresses.postgres) as connection:
        tables = connection.execute(
            "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'"
        ).fetchall()
        return [
            row
            for (table,) in tables
            for (row,) in connection.execute(f"SELECT t::text FROM {table} AS t".encode()).fetchall()
        ]


def test_a_subject_has_one_key_whoever_asks_first(world: World) -> None:
    """Many at once are given the same; once it is erased nobody is, and the row says who did it."""
    everybody = [SubjectKeys(world.addresses.postgres) for _ in range(8)]
    with ThreadPoolExecutor(len(everybody)) as pool:
        found = list(pool.map(lambda one: one.of(world.tenant, "guest:1"), everybody))
    assert len(found) == len(everybody)
    assert len(set(found)) == 1
    first, other = everybody[0], everybody[1]
    assert other.named(world.tenant, found[0].key_id) == found[0]
    with pytest.raises(NoSuchKey):
        other.named("somebody-else", found[0].key_id)
    done = first.erase(world.tenant, "guest:1", "ada", "asked for it")
    assert (done.erased_by, done.reason) == ("ada", "asked for it")
    assert first.erase(world.tenant, "guest:1", "bob", "again") == done
    with pytest.raises(KeyErased, match=r"guest:1 of tenant .* was erased at"):
        other.of(world.tenant, "guest:1")
    with pytest.raises(KeyErased, match="was erased at"):
        other.named(world.tenant, found[0].key_id)
    with pytest.raises(NoSuchKey, match="nothing was ever sealed"):
        first.erase(world.tenant, "guest:2", "ada", "asked for it")
    for one in everybody:
        one.close()


def test_keys_that_cannot_be_reached_are_waited_for() -> None:
    """The error says what does not answer, and that somebody tries again."""
    for url in ("postgresql://nobody@127.0.0.1:1/none", "postgres is here"):
        keys = SubjectKeys(url)
        with pytest.raises(KeysUnavailable, match="subjects' keys does not answer"):
            keys.of("acme", "guest:1")
        # Others that ask at once do not wait for it once more.
        with pytest.raises(KeysUnavailable, match="did not answer a moment ago"):
            keys.named("acme", "0" * 32)
