"""Who owns a shard: several processes, one that comes and goes, one that wakes up late; and what a shard refuses."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

import servers
from motet.chaos.proxy import FINE, Network, Proxy, Weather
from motet.chassis import database, lanes
from motet.chassis import shard as shards
from motet.chassis.codec import Codec
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.message import Message
from motet.chassis.registry import Registry
from motet.chassis.waiting import wait_until
from motet.client import Call, Client, Submitted
from motet.records import DeadLetter, Invocation, InvokeCalls, Meta
from world import Process, World, with_topics

SECONDS = 60.0
INVOCATIONS = "motet.invocations.gap"


def coordinator(world: World, replica: int, protocol: str = "classic", **environment: str) -> Process:
    """One of several coordinators, with a short session so that the others take over soon."""
    return world.start(
        f"coordinator-{replica}",
        *("serve", "coordinator"),
        MOTET_REPLICA=str(replica),
        MOTET_GROUP_PROTOCOL=protocol,
        MOTET_SESSION_TIMEOUT_MS="3000",
        **environment,
    )


def deposits(client: Client, count: int, first: int = 0) -> list[Submitted]:
    """Plans over all partitions."""
    return [
        client.submit(
            [Call("crash.deposit", {"account": f"a{index}", "amount": 1}) for index in range(3)],
            domain=f"d{number % 16}",
            idempotency_key=f"k{number}",
        )
        for number in range(first, first + count)
    ]


def check_once(world: World, submitted: list[Submitted]) -> None:
    """Every plan succeeded, and every deposit is there once."""
    for one in submitted:
        assert one.wait(SECONDS).status == "SUCCEEDED"
    rows = world.sql("SELECT count(*), count(DISTINCT key) FROM tools_crash.entry WHERE tenant = %s", (world.tenant,))
    assert rows == [(len(submitted) * 3, len(submitted) * 3)]


def claimed(process: Process) -> list[int]:
    """The shards that a process says it claimed last."""
    lines = [json.loads(line) for line in process.said().splitlines() if line.startswith("{")]
    return next((line["shards"] for line in reversed(lines) if line["event"] == "shards claimed"), [])


def test_two_processes_share_the_shards_and_take_over(world: World) -> None:
    """Each has some; when one is killed for good the other has all, and nothing is lost or done twice."""
    take_over(world, "classic")


def test_they_do_with_the_consumer_protocol(tmp_path: Path) -> None:
    """Which deals a few partitions at a time. On servers of its own: a group remembers for a while by which protocol its members spoke."""
    with servers.open_directory() as place, servers.embedded(place / ".motet") as addresses:
        world = World(with_topics(addresses), tmp_path)
        try:
            take_over(world, "consumer")
        finally:
            world.close()


def take_over(world: World, protocol: str) -> None:
    """Two coordinators share the shards, one is killed, the other has all."""
    world.tools("crash_tools", MOTET_GROUP_PROTOCOL=protocol)
    first, second = (coordinator(world, number, protocol) for number in range(2))
    wait_until(
        lambda: (
            sorted(claimed(first) + claimed(second)) == [0, 1, 2, 3] and bool(claimed(first)) and bool(claimed(second))
        ),
        SECONDS,
        "both have shards",
    )
    client = world.client()
    submitted = deposits(client, 60)
    first.kill()
    submitted += deposits(client, 60, first=60)
    wait_until(lambda: claimed(second) == [0, 1, 2, 3], SECONDS, "the second has all shards")
    check_once(world, submitted)


def test_an_owner_that_wakes_up_late_is_fenced(world: World) -> None:
    """A process stopped longer than its session lets its shards go when it goes on, and what it had begun is not done twice."""
    world.tools("crash_tools")
    first, second = coordinator(world, 0), coordinator(world, 1)
    wait_until(lambda: bool(claimed(first)) and bool(claimed(second)), SECONDS, "both have shards")
    client = world.client()
    submitted = deposits(client, 200)
    os.kill(first.child.pid, signal.SIGSTOP)
    submitted += deposits(client, 60, first=200)
    try:
        wait_until(lambda: claimed(second) == [0, 1, 2, 3], SECONDS, "the second has all shards")
    finally:
        os.kill(first.child.pid, signal.SIGCONT)
    submitted += deposits(client, 60, first=260)
    check_once(world, submitted)
    assert first.child.poll() is None, first.said()[-2000:]


@pytest.fixture
def postgres(world: World) -> Iterator[Proxy]:
    """A way to PostgreSQL that can be closed."""
    url = urlsplit(world.addresses.postgres)
    proxy = Proxy(url.port or 5432, kafka=False)
    with Network(proxy):
        yield proxy


def test_an_owner_whose_hop_takes_too_long_is_fenced(world: World, postgres: Proxy) -> None:
    """It waits for PostgreSQL longer than it may be away from Kafka: another goes on, and what it had begun is not done twice."""
    world.tools("crash_tools")
    url = urlsplit(world.addresses.postgres)
    through = urlunsplit(url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{postgres.port}"))
    short = {"MOTET_MAX_POLL_INTERVAL_MS": "3000"}
    first, second = coordinator(world, 0, MOTET_POSTGRES_URL=through, **short), coordinator(world, 1, **short)
    wait_until(lambda: bool(claimed(first)) and bool(claimed(second)), SECONDS, "both have shards")
    client = world.client()
    submitted = deposits(client, 200)
    # What it sent arrives, and it hears nothing of that.
    postgres.weather = Weather(hole_down=True)
    submitted += deposits(client, 60, first=200)
    wait_until(lambda: claimed(second) == [0, 1, 2, 3], SECONDS, "the second has all shards")
    postgres.weather = FINE
    submitted += deposits(client, 60, first=260)
    check_once(world, submitted)
    wait_until(
        lambda: "maximum poll interval" in first.said(), SECONDS, "the first knows that it was away for too long"
    )
    assert first.child.poll() is None, first.said()[-2000:]


def test_two_processes_with_one_number_are_told_apart(world: World) -> None:
    """The one that came first ends, and says what to do."""
    first = coordinator(world, 0)
    again = world.start("again", "serve", "coordinator", MOTET_REPLICA="0", MOTET_SESSION_TIMEOUT_MS="3000")
    assert first.await_end() == 2
    assert "MOTET_REPLICA" in first.said().splitlines()[-1]
    assert again.child.poll() is None


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_service_stops_in_order(world: World, asked: signal.Signals) -> None:
    """Everything out, the offsets committed: the next owner has nothing to publish again."""
    world.tools("crash_tools")
    process = world.coordinator()
    with world.client() as client:
        check_once(world, deposits(client, 30))
    process.child.send_signal(asked)
    assert process.await_end() == 0
    assert json.loads(process.said().splitlines()[-1])["event"] == "stopped"
    world.await_no_lag("coordinator")
    after = world.coordinator()
    assert "shard recovered" not in after.said().rpartition('"started"')[2]


def test_too_many_open_effects_pause_the_invocations(world: World) -> None:
    """With room for two at once, twenty slow calls end one after another, and none is refused."""
    world.coordinator()
    world.tools("gap_tools", MOTET_OPEN_EFFECTS="2", MOTET_TOOL_THREADS="1", MOTET_BATCH_RECORDS="1")
    client = world.client()
    submitted = [client.submit([Call("gap.slow", {"text": str(number)})], domain="one") for number in range(10)]
    done, left = wait([one.future for one in submitted], timeout=3)
    assert left, "they do not all run at once"
    behind = world.sql("SELECT sum(next_offset) FROM tools_gap_hop.shard_offset")
    intents = world.sql("SELECT count(*) FROM tools_gap_hop.intent")
    assert intents[0][0] <= 3, "beyond the limit nothing is taken in"
    assert behind
    assert {one.wait(SECONDS).status for one in submitted} == {"SUCCEEDED"}
    assert len(done) < 10


# -- what a shard refuses ------------------------------------------------------------------------------------------------------


@pytest.fixture
def forger(world: World) -> Iterator[Forger]:
    """Writes onto an internal topic what no service would."""
    world.coordinator()
    world.tools("gap_tools")
    registry = Registry(world.addresses.registry)
    yield Forger(world, Codec(registry))
    registry.close()


class Forger:
    """A writer with lanes of its own."""

    def __init__(self, world: World, codec: Codec) -> None:
        self.world = world
        self.codec = codec
        self.key = domain_key(world.tenant, "forged")
        self.place = lanes.Place()

    def invocation(self, text: str) -> bytes:
        """A record as the coordinator writes it."""
        meta = Meta(os.urandom(16).hex(), "c", "c", self.world.tenant, "forged", 1, 1, None)
        call = Invocation(0, "c0", "gap.echo", 1, json.dumps({"text": text}), os.urandom(16).hex(), 1)
        return self.codec.encode(INVOCATIONS, InvokeCalls(meta, os.urandom(16).hex(), "forger", (call,)))

    def send(self, value: bytes, stamp: lanes.Stamp | None) -> None:
        """Produces a record, on a lane or on none."""
        headers: list[tuple[str, str | bytes | None]] = [] if stamp is None else [(lanes.HEADER, stamp.pack())]
        producer = self.world.producer()
        producer.produce(INVOCATIONS, value, self.key, partition_of(self.key, 4), headers=headers)
        producer.flush()

    def next(self, value: bytes) -> lanes.Stamp:
        """The stamp of this forger's next record."""
        service = f"forger-{self.world.tenant}"
        stamp = lanes.Stamp(service, 0, self.place.number + 1, self.place.digest, exogenous=False)
        self.place = lanes.follow(self.place, self.key, value)
        return stamp

    def letters(self) -> list[DeadLetter]:
        """The dead letters of the forged key."""
        found = [self.codec.decode(message.value) for message in self.messages()]
        return [one for one in found if isinstance(one, DeadLetter) and one.key == self.key]

    def messages(self) -> list[Message]:
        """Everything on the dead-letter topic."""
        return self.world.messages("motet.dead-letters")


def test_a_record_on_no_lane_is_a_dead_letter(forger: Forger, world: World) -> None:
    """Only Motet's services write to internal topics; what others write is kept, and harms nobody."""
    forger.send(forger.invocation("stranger"), None)
    wait_until(lambda: [one.code for one in forger.letters()] == ["NOT_ON_A_LANE"], SECONDS, "a dead letter")
    assert not forger.letters()[0].parked
    with world.client() as client:
        assert client.run([Call("gap.echo", {"text": "on"})], domain="forged").status == "SUCCEEDED"


def test_later_records_of_a_poisoned_key_are_parked_in_order(forger: Forger, world: World) -> None:
    """After an unreadable record on a lane its key waits, because order matters; other keys of the partition go on."""
    bad = b"\0\0\0\0\1broken"
    forger.send(bad, forger.next(bad))
    later = [forger.invocation(f"later-{number}") for number in range(3)]
    for value in later:
        forger.send(value, forger.next(value))
    rows: list[bytes] = []

    def parked() -> bool:
        query = 'SELECT payload FROM tools_gap_hop.parked_record WHERE key = %s ORDER BY "offset"'
        rows[:] = [payload for (payload,) in world.sql(query, (forger.key,))]
        return len(rows) == 3

    wait_until(parked, SECONDS, "three records are parked")
    assert rows == later
    (letter,) = forger.letters()
    assert letter.parked
    assert letter.value == bad
    with world.client() as client:
        for number in range(8):
            assert client.run([Call("gap.echo", {"text": "on"})], domain=f"other-{number}").status == "SUCCEEDED"


def test_a_gap_on_a_lane_stops_the_shard_and_says_so(forger: Forger, world: World) -> None:
    """Records are missing: a person decides. The shard takes nothing, and the other shards go on."""
    value = forger.invocation("gap")
    stamp = forger.next(value)
    forger.send(value, lanes.Stamp(stamp.service, 0, stamp.number + 1, stamp.previous, exogenous=False))
    tools = world.running["tools-gap_tools"]
    wait_until(lambda: "shard stopped" in tools.said(), SECONDS, "the shard stops")
    assert "number 1 is due and 2 came" in tools.said()
    shard = partition_of(forger.key, 4)
    others = [name for name in map("x{}".format, range(40)) if partition_of(domain_key(world.tenant, name), 4) != shard]
    with world.client() as client:
        assert client.run([Call("gap.echo", {"text": "on"})], domain=others[0]).status == "SUCCEEDED"
    # A person decides: here, that the record never was.
    with psycopg.connect(world.addresses.postgres) as connection:
        connection.execute(
            "UPDATE tools_gap_hop.shard_offset SET next_offset = next_offset + 1 "
            "WHERE partition = %s AND topic = 'motet.invocations.gap'",
            (shard,),
        )
    with world.client() as client:
        same = next(
            name for name in map("y{}".format, range(40)) if partition_of(domain_key(world.tenant, name), 4) == shard
        )
        assert client.run([Call("gap.echo", {"text": "on"})], domain=same).status == "SUCCEEDED"


def test_only_a_death_is_a_death(world: World) -> None:
    """Who failed over a record and lives does not count, however often; another process that finds the mark does, once for each."""
    world.coordinator()
    assert world.running["coordinator"].stop() == 0
    with database.connect(world.addresses.postgres, "coordinator", "test") as connection:
        topics = ("motet.commands",)
        mine: dict[int, str] = {}

        def mark(where: str, marked: dict[int, str]) -> int:
            return shards.mark_suspect(connection, shards.load(connection, 0, topics), where, marked)

        assert [mark("t:0:1", mine) for _ in range(4)] == [0, 0, 0, 0]
        assert [mark("t:0:1", {}) for _ in range(2)] == [1, 2]
        assert mark("t:0:1", mine) == 2
        assert [mark("t:0:2", {}), mark("t:0:2", {})] == [0, 1]
        connection.execute("UPDATE shard SET suspect = NULL, suspect_deaths = 0 WHERE partition = 0")


def test_a_database_older_than_the_log_is_refused(world: World) -> None:
    """The group committed further than the rows say: the shard is not claimed, and the message names the command."""
    world.coordinator()
    tools = world.tools("gap_tools")
    with world.client() as client:
        assert client.run([Call("gap.echo", {"text": "on"})], domain="old").status == "SUCCEEDED"
    world.await_no_lag("tools-gap")
    assert tools.stop() == 0
    shard = partition_of(domain_key(world.tenant, "old"), 4)
    before = world.sql(
        "SELECT next_offset FROM tools_gap_hop.shard_offset WHERE topic = 'motet.invocations.gap' AND partition = %s",
        (shard,),
    )[0][0]
    change = "UPDATE tools_gap_hop.shard_offset SET next_offset = %s WHERE partition = %s AND topic = 'motet.invocations.gap' RETURNING 1"
    world.sql(change, (before - 1, shard))
    try:
        restored = world.tools("gap_tools")
        wait_until(lambda: "shard refused" in restored.said(), SECONDS, "the shard is refused")
        assert "motet recover tools-gap" in restored.said()
        assert restored.stop() == 0
    finally:
        world.sql(change, (before, shard))
    world.tools("gap_tools")
    with world.client() as client:
        assert client.run([Call("gap.echo", {"text": "again"})], domain="old").status == "SUCCEEDED"
