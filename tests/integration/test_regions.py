"""Two regions that write the same records on real PostgreSQL: updates in any order and repeated, and the same bytes in both."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from motet.client import Call, Client
from world import World

PROFILES: Final = str(Path(__file__).resolve().parents[2] / "examples" / "profiles_tools.py")
SECONDS: Final = 60.0
REGIONS: Final = ("eu", "us")
Updates = list[dict[str, Any]]


@pytest.fixture(scope="module")
def client(shared_world: World) -> Client:
    """A coordinator and a tool service a region."""
    shared_world.coordinator()
    for region in REGIONS:
        shared_world.start(f"tools-profiles-{region}", "tools", "serve", PROFILES, PROFILES_REGION=region)
    return shared_world.client()


def run(client: Client, calls: list[Call], domain: str) -> list[Any]:
    """The results of calls in a domain of their region."""
    ended = client.run(calls, domain=domain)
    assert ended.status == "SUCCEEDED", ended
    return [one.value for one in ended.results]


def rows(world: World, table: str) -> list[list[tuple[Any, ...]]]:
    """What each region has, byte for byte."""
    query = (
        "SELECT record, vector, value, conflict, siblings FROM tools_profiles_{}.{} WHERE tenant = %s ORDER BY record"
    )
    return [world.sql(query.format(region, table), (world.tenant,)) for region in REGIONS]


def hear(client: Client, region: str, tool: str, heard: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """A region hears of updates, in this order; what each was to it."""
    calls = [Call(f"profiles-{region}.{tool}", {"record": record, "update": update}) for record, update in heard]
    return [one["arrival"] for one in run(client, calls, f"{region}-hears")]


@pytest.mark.parametrize("seed", [1, 2])
def test_regions_converge_to_the_same_bytes(shared_world: World, client: Client, seed: int) -> None:
    """Each writes, hears some of the other's updates, writes again; in the end each hears everything, shuffled and twice."""
    chance = Random(seed)  # noqa: S311  no secret
    sent: list[tuple[str, dict[str, Any]]] = []
    for step in range(3):
        for region in REGIONS:
            records = [f"{seed}-{number}" for number in range(4)]
            puts = [
                Call(f"profiles-{region}.put", {"record": record, "tags": [f"{region}{step}", chance.choice("abc")]})
                for record in records
            ]
            results: list[Updates] = run(client, puts, f"{region}-writes")
            sent += [(record, one) for record, said in zip(records, results, strict=True) for one in said]
            hear(client, REGIONS[region == "eu"], "hear", chance.sample(sent, 3))
    arrivals = {
        one for region in REGIONS for one in hear(client, region, "hear", chance.sample(sent, len(sent)) + sent)
    }
    assert arrivals >= {"OLDER", "REPEATED", "CONCURRENT"}
    eu, us = rows(shared_world, "profile")
    assert eu == us
    assert sum(record.startswith(f"{seed}-") for record, *_ in eu) == 4
    # The merge function's word: nobody's tags are lost.
    assert not any(conflict for *_, conflict, _ in eu)
    assert all("eu2" in value and "us2" in value for _, _, value, _, siblings in eu if siblings.count("=") > 3)


def test_what_nobody_can_merge_is_a_conflict_until_somebody_writes(shared_world: World, client: Client) -> None:
    """Both siblings are kept, in both regions alike; the next write follows on both."""
    names = {"eu": "Ada", "us": "Ida"}
    said = {
        region: run(client, [Call(f"profiles-{region}.rename", {"record": "x", "name": name})], region)[0]
        for region, name in names.items()
    }
    for region, other in (REGIONS, REGIONS[::-1]):
        assert hear(client, region, "hear_name", [("x", one) for one in said[other]]) == ["CONCURRENT"]
    eu, us = rows(shared_world, "name")
    assert eu == us == [("x", "eu=1,us=1", None, True, '[["eu=1","eu","\\"Ada\\""],["us=1","us","\\"Ida\\""]]')]
    # A plan carries it from one region to the other.
    settled = [
        Call("profiles-us.rename", {"record": "x", "name": "Ada I."}, id="us"),
        Call("profiles-eu.hear_name", {"record": "x", "update": {"$result": {"call": "us", "pointer": "/0"}}}),
    ]
    assert run(client, settled, "both")[1]["arrival"] == "NEWER"
    eu, us = rows(shared_world, "name")
    assert eu == us == [("x", "eu=1,us=2", '"Ada I."', False, '[["eu=1,us=2","us","\\"Ada I.\\""]]')]


def test_what_is_no_update_changes_nothing(shared_world: World, client: Client) -> None:
    """It fails with a word."""
    update = {"vector": "us=1", "region": "eu", "value": 1}
    ended = client.run([Call("profiles-eu.hear", {"record": "none", "update": update})])
    assert [one.error_code for one in ended.results] == ["BAD_UPDATE"]
    found = "SELECT 1 FROM tools_profiles_eu.profile WHERE record = 'none'"
    assert shared_world.sql(found) == []
