"""Optimistic concurrency on real PostgreSQL: writers in several domains, whose calls no line keeps apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from motet.chassis.identity import domain_key, partition_of
from motet.chassis.waiting import wait_until
from motet.client import Call, Client
from world import World

PAGES: Final = Path(__file__).resolve().parents[2] / "examples" / "pages_tools.py"
SECONDS: Final = 60.0
PARTITIONS: Final = 4


@pytest.fixture(scope="module")
def pages(shared_world: World) -> World:
    """Coordinator, projector, and the pages."""
    shared_world.coordinator()
    shared_world.projector()
    shared_world.tools(str(PAGES))
    return shared_world


@pytest.fixture(scope="module")
def client(pages: World) -> Client:
    """A client."""
    return pages.client()


def domains(world: World, name: str) -> list[str]:
    """A domain in each partition: each is another transaction of another shard."""
    found: dict[int, str] = {}
    for number in count():
        domain = f"{name}-{number}"
        found.setdefault(partition_of(domain_key(world.tenant, domain), PARTITIONS), domain)
        if len(found) == PARTITIONS:
            return [found[at] for at in sorted(found)]
    raise AssertionError


def shown(client: Client, name: str) -> tuple[str, int]:
    """A page's text and version."""
    value = client.run([Call("pages.show", {"name": name})]).results[0].value
    return value["text"], value["version"]


def test_a_conflict_names_both_sides(pages: World, client: Client) -> None:
    """In the call's error, in SQL and on the command line; and the page is as the faster one left it."""
    first = client.submit([Call("pages.edit", {"name": "plan", "text": "Ada's", "version": 0})], domain="ada")
    assert first.wait(SECONDS).status == "SUCCEEDED"
    second = client.submit([Call("pages.edit", {"name": "plan", "text": "Bob's", "version": 0})], domain="bob")
    (ended,) = second.wait(SECONDS).results
    assert ended.error_code == "VERSION_CONFLICT"
    assert ended.error_message == (
        f"page:plan has version 1, written by call 0 of plan {first.plan_id}, and the call expects version 0"
    )
    assert shown(client, "plan") == ("Ada's", 1)
    ((key,),) = pages.sql("SELECT key FROM tools_pages_hop.resource_version WHERE resource = 'page:plan'")
    query = (
        "SELECT plan_id, index, tool, attempt, expected, found, found_plan_id, found_index, found_key, next, found_at < at "
        "FROM motet.conflicts WHERE resource = 'page:plan' AND tenant = %s"
    )
    wait_until(lambda: bool(pages.sql(query, (pages.tenant,))), SECONDS, "the conflict in SQL")
    assert pages.sql(query, (pages.tenant,)) == [
        (second.plan_id, 0, "pages.edit", 1, 0, 1, first.plan_id, 0, key, "NONE", True)
    ]
    asked = [sys.executable, "-m", "motet", "conflicts", "--resource", "page:plan", "--tenant", pages.tenant, "--json"]
    known = {**os.environ, **pages.addresses.environment(), "PYTHONPATH": str(PAGES.parents[1] / "services")}
    (line,) = json.loads(subprocess.run(asked, env=known, capture_output=True, text=True, check=True).stdout)
    assert (line["plan_id"], line["found_plan_id"]) == (second.plan_id, first.plan_id)


def test_of_writers_at_once_one_is_first(pages: World, client: Client) -> None:
    """From every partition at once, by the tool's argument and by what calls carry: one writes version 1, the others do nothing."""
    for name, carried in (("argument", {}), ("carried", {"page:carried": 0})):
        arguments = {"name": name} if carried else {"name": name, "version": 0}
        sent = [
            client.submit(
                [Call("pages.edit", {**arguments, "text": f"{domain} {at}"}, expected=carried)], domain=domain
            )
            for domain in domains(pages, name)
            for at in range(3)
        ]
        ended = [one.wait(SECONDS).results[0] for one in sent]
        assert sorted(one.error_code or "" for one in ended) == ["", *["VERSION_CONFLICT"] * (len(sent) - 1)]
        assert shown(client, name)[1] == 1


def test_a_tool_that_rereads_writes_after_all(pages: World, client: Client) -> None:
    """Every line is there once, in as many versions, and each conflict was followed by another attempt at the version found."""
    sent = [
        client.submit([Call("pages.append", {"name": "log", "line": domain}, expected={"page:log": 0})], domain=domain)
        for domain in domains(pages, "log")[:3]
    ]
    assert {one.wait(SECONDS).status for one in sent} == {"SUCCEEDED"}
    text, version = shown(client, "log")
    assert (sorted(text.split()), version) == (sorted(domains(pages, "log")[:3]), 3)
    wait_until(
        lambda: len(pages.sql("SELECT 1 FROM motet.conflicts WHERE resource = 'page:log' AND next = 'RETRY'")) >= 2,
        SECONDS,
        "conflicts in SQL",
    )
    assert client.run([Call("pages.append", {"name": "log", "line": "blind"})], domain="blind").status == "SUCCEEDED"
    assert shown(client, "log")[1] == 4


def test_expected_versions_go_with_transactional_tools_only(pages: World, client: Client) -> None:
    """Anything else could not look at them in the transaction of its effect."""
    refused = client.run([Call("pages.edit", {"name": "x", "text": ""}, expected={"page:x": -1})], domain="refused")
    assert [one.code for one in refused.reasons] == ["BAD_EXPECTED_VERSION"]
    assert pages.sql("SELECT 1 FROM tools_pages.page WHERE name = 'x'") == []
