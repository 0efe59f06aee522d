"""The platform on real processes: what starts, what comes back, what ends, and what is left when something is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import psutil
import psycopg
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its public names come from the C module
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

import servers
from motet.platform import Addresses, Platform, PlatformFailed, PlatformNotRunning, ServiceSpec, unprivileged
from motet.platform import servers as platform_servers
from motet.platform.process import Watch

READY = "import os, pathlib, signal; pathlib.Path(os.environ['MOTET_READY_FILE']).touch(); signal.pause()"
NEVER_READY = "import os, signal, sys; open(sys.argv[1], 'w').write(str(os.getpid())); signal.pause()"
UP = """
import sys
from pathlib import Path
from motet.platform import Platform, ServiceSpec
name, lifetime, *command = sys.argv[2:]
Platform.up(Path(sys.argv[1]), [ServiceSpec(name, tuple(command))], lifetime=lifetime)
print("up", flush=True)
sys.stdin.read()
"""
GONE_SECONDS = 20.0


def service(name: str, program: str = READY, *arguments: str) -> ServiceSpec:
    """A service that runs a small program."""
    return ServiceSpec(name, (sys.executable, "-c", program, *arguments))


def start_up(directory: Path, addresses: Addresses, lifetime: str, *command: str) -> subprocess.Popen[str]:
    """Another process that brings a platform up, on servers that are there."""
    return subprocess.Popen(
        [sys.executable, "-c", UP, str(directory), "probe", lifetime, *command],
        env={**os.environ, **addresses.environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pids(platform: Platform) -> dict[str, int]:
    """Every process that runs, and the supervisor."""
    running = {one.name: one.pid for one in platform.status() if one.pid is not None}
    return {**running, "supervisor": platform.state["pid"]}


def ended(pid: int) -> bool:
    """Waits for a process's end."""
    with Watch(pid) as watch:
        return watch.ended(GONE_SECONDS)


def create_topic(platform: Platform, name: str) -> None:
    """Makes a topic on the platform's broker."""
    admin = AdminClient({"bootstrap.servers": platform.addresses.kafka})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(10)


def topics(platform: Platform) -> set[str]:
    """The topics on the platform's broker."""
    return set(AdminClient({"bootstrap.servers": platform.addresses.kafka}).list_topics(timeout=10).topics)


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """All three servers, under a folder of their own."""
    with servers.open_directory() as directory:
        found = Platform.up(directory / ".motet", [], lifetime="caller")
        yield found
        found.down()


@pytest.fixture
def on_given(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Addresses:
    """The environment names the servers of the shared platform: platforms that start now have none of their own."""
    for name, value in platform.addresses.environment().items():
        monkeypatch.setenv(name, value)
    return platform.addresses


def test_each_server_answers_with_the_settings_it_was_given(platform: Platform) -> None:
    """The broker, PostgreSQL and the registry answer real requests, and have the settings of `servers.py`."""
    assert {(one.name, one.state) for one in platform.status() if one.kind == "server"} == {
        ("postgres", "ready"),
        ("kafka", "ready"),
        ("registry", "ready"),
    }
    broker = ConfigResource(ResourceType.BROKER, "1")
    admin = AdminClient({"bootstrap.servers": platform.addresses.kafka})
    have = {name: entry.value for name, entry in admin.describe_configs([broker])[broker].result(10).items()}
    assert {name: have[name] for name in platform_servers.KAFKA_SETTINGS} == platform_servers.KAFKA_SETTINGS
    with psycopg.connect(platform.addresses.postgres) as connection:
        for name, value in platform_servers.POSTGRES_SETTINGS.items():
            assert connection.execute(f"SHOW {name}".encode()).fetchone() == (value,)
    answer = httpx2.get(f"{platform.addresses.registry}/config")
    assert answer.json() == {"compatibilityLevel": "FULL_TRANSITIVE"}


def test_nothing_listens_beyond_this_machine(platform: Platform) -> None:
    """Every listening socket of every server is on 127.0.0.1."""
    for one in (process for process in platform.status() if process.kind == "server"):
        assert one.pid is not None
        listening = [c.laddr.ip for c in psutil.Process(one.pid).net_connections("tcp") if c.status == "LISTEN"]
        assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}, one.name


def test_a_second_start_returns_at_once(platform: Platform) -> None:
    """`up` on a platform that runs changes nothing and takes no time."""
    before = pids(platform)
    began = time.monotonic()
    Platform.up(platform.layout.directory, [])
    assert time.monotonic() - began < 1.0
    assert pids(platform) == before


def test_a_service_that_crashes_comes_back(platform: Platform) -> None:
    """A service that was killed is started again, is ready again, and its restart is counted."""
    platform.add_services([service("crashes")])
    first = platform.pid("crashes")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    again = platform.await_process("crashes", lambda one: one.state == "ready" and one.restarts == 1, 20)
    assert again.pid != first
    platform.remove_service("crashes")
    assert ended(again.pid or 0)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ServiceSpec("absent", ("/nowhere/program",)), "No such file or directory: '/nowhere/program'"),
        (service("wrong", "import sys; sys.exit('the reason why')"), "the reason why"),
    ],
)
def test_a_service_that_cannot_start_fails_the_start(platform: Platform, spec: ServiceSpec, said: str) -> None:
    """The error has the service's last lines; what ran before runs on, and the service is not tried for ever."""
    before = pids(platform)
    with pytest.raises(PlatformFailed, match=spec.name) as caught:
        platform.add_services([spec])
    assert said in str(caught.value)
    assert {name: pid for name, pid in pids(platform).items() if name != spec.name} == before
    assert spec.name not in {one.name for one in platform.layout.read_services()}
    assert spec.name not in {one.name for one in platform.status()}


def test_a_broker_that_crashes_comes_back_with_its_topics(platform: Platform) -> None:
    """A broker that was killed is started again, is ready only when it answers, and has what it had."""
    create_topic(platform, "kept")
    restarts = platform.await_process("kafka", lambda one: one.state == "ready", 30).restarts
    os.kill(platform.pid("kafka") or 0, signal.SIGKILL)
    platform.await_process("kafka", lambda one: one.state == "ready" and one.restarts == restarts + 1, 40)
    assert "kept" in topics(platform)


def test_a_killed_supervisor_leaves_nothing_in_the_way(platform: Platform) -> None:
    """Its children end with it although a client is connected; the next start has the data, and evades ports that were taken."""
    create_topic(platform, "remembered")
    before = pids(platform)
    old = platform.addresses
    with ExitStack() as stack:
        connection = psycopg.connect(old.postgres, autocommit=True)
        stack.callback(connection.close)
        connection.execute("CREATE TABLE remembered (n int)")
        os.kill(before["supervisor"], signal.SIGKILL)
        assert all(ended(pid) for pid in before.values())
        with pytest.raises(PlatformNotRunning):
            Platform.attach(platform.layout.directory)
        for name in ("kafka", "controller", "postgres"):
            stranger = stack.enter_context(socket.socket())
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stranger.bind(("127.0.0.1", platform.layout.read(platform.layout.ports)[name]))
            stranger.listen()
        Platform.up(platform.layout.directory, [], lifetime="caller")
    assert (platform.addresses.kafka, platform.addresses.postgres) != (old.kafka, old.postgres)
    assert platform.addresses.registry == old.registry
    assert "remembered" in topics(platform)
    with psycopg.connect(platform.addresses.postgres) as fresh:
        assert fresh.execute("SELECT count(*) FROM remembered").fetchone() == (0,)


def test_given_servers_are_used_and_none_is_started(on_given: Addresses, tmp_path: Path) -> None:
    """With all three addresses set, only services run, and they are told those addresses."""
    told = tmp_path / "told"
    program = f"import os; open({str(told)!r}, 'w').write(os.environ['MOTET_KAFKA_BOOTSTRAP']);" + READY
    platform = Platform.up(tmp_path / ".motet", [service("tells", program)], lifetime="caller")
    assert [(one.name, one.kind) for one in platform.status()] == [("tells", "service")]
    assert platform.addresses == on_given
    assert told.read_text() == on_given.kafka
    platform.down()


def test_a_given_broker_is_used_beside_a_database_of_our_own(
    on_given: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With only Kafka's address set, PostgreSQL and the registry are started, even under a folder that root keeps to itself."""
    monkeypatch.delenv("MOTET_POSTGRES_URL")
    monkeypatch.delenv("MOTET_SCHEMA_REGISTRY_URL")
    with servers.open_directory() as directory:
        directory.chmod(0o700)
        platform = Platform.up(directory / ".motet", [], lifetime="caller")
        assert {one.name for one in platform.status()} == {"postgres", "registry"}
        assert platform.addresses.kafka == on_given.kafka
        assert platform.addresses.postgres != on_given.postgres
        platform.down()
        unprivileged.remove(platform.layout.directory)


def test_half_given_servers_are_refused(on_given: Addresses, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A database of one's own with a registry of ours is refused with the names of both settings."""
    assert on_given.postgres
    monkeypatch.delenv("MOTET_SCHEMA_REGISTRY_URL")
    with pytest.raises(PlatformFailed, match=r"MOTET_POSTGRES_URL is set and MOTET_SCHEMA_REGISTRY_URL is not"):
        Platform.up(tmp_path / ".motet", [], lifetime="caller")


def test_a_given_server_that_does_not_answer_is_named(
    on_given: Addresses, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error names the variable and its value, and nothing is left running."""
    assert on_given.kafka
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/apis/ccompat/v7"
        monkeypatch.setenv("MOTET_SCHEMA_REGISTRY_URL", url)
        with pytest.raises(PlatformFailed, match=f"MOTET_SCHEMA_REGISTRY_URL is {url}, and nothing answers"):
            Platform.up(tmp_path / ".motet", [], lifetime="caller")
    assert Platform(tmp_path / ".motet").supervisor() is None


def test_two_starts_at_once_make_one_platform(on_given: Addresses, tmp_path: Path) -> None:
    """The second waits for the first and finds its processes: one supervisor, one service."""
    both = [start_up(tmp_path, on_given, "own", sys.executable, "-c", READY) for _ in range(2)]
    for process in both:
        output, said = process.communicate("")
        assert (process.returncode, output) == (0, "up\n"), said
    platform = Platform.attach(tmp_path)
    ours = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in (p.info["cmdline"] or ())]
    assert [p.pid for p in ours] == [platform.state["pid"]]
    assert [one.restarts for one in platform.status()] == [0]
    platform.down()


def interrupted(directory: Path, addresses: Addresses) -> tuple[int, subprocess.Popen[str]]:
    """A start that is under way: its service runs and will never be ready; the service's process id."""
    pipe = directory / "pipe"
    os.mkfifo(pipe)
    process = start_up(directory / ".motet", addresses, "own", sys.executable, "-c", NEVER_READY, str(pipe))
    return int(pipe.read_text()), process


def test_an_interrupted_start_leaves_nothing(on_given: Addresses, tmp_path: Path) -> None:
    """After Ctrl-C during `up` neither the supervisor nor the service is left."""
    pid, process = interrupted(tmp_path, on_given)
    process.send_signal(signal.SIGINT)
    process.communicate("")
    assert process.returncode != 0
    assert ended(pid)
    assert Platform(tmp_path / ".motet").supervisor() is None


def test_down_during_a_start_ends_it(on_given: Addresses, tmp_path: Path) -> None:
    """`down` does not wait for the start: the start fails and says that it was taken down."""
    pid, process = interrupted(tmp_path, on_given)
    Platform(tmp_path / ".motet").down()
    _, said = process.communicate("")
    assert process.returncode != 0
    assert "is being taken down" in said or "the supervisor ended" in said
    assert ended(pid)


def test_a_platform_of_its_caller_ends_with_it(on_given: Addresses, tmp_path: Path) -> None:
    """With the caller's lifetime a SIGKILL of the caller ends supervisor and services."""
    process = start_up(tmp_path, on_given, "caller", sys.executable, "-c", READY)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    running = pids(Platform.attach(tmp_path))
    process.kill()
    process.communicate()
    assert all(ended(pid) for pid in running.values())


def test_stopping_what_does_not_run_is_fine(tmp_path: Path) -> None:
    """`down` without a platform does nothing, twice; asking for its state says how to start it."""
    Platform(tmp_path).down()
    Platform(tmp_path).down()
    with pytest.raises(PlatformNotRunning, match="motet up"):
        Platform.attach(tmp_path)


@pytest.mark.parametrize("code", [0, 3])
def test_the_preparation_comes_before_the_services(on_given: Addresses, tmp_path: Path, code: int) -> None:
    """It runs with the servers' addresses; when it fails nothing is started, and its output is in the error."""
    program = f"import os, sys; print('saw', os.environ['MOTET_KAFKA_BOOTSTRAP']); sys.exit({code})"
    prepare = [sys.executable, "-c", program]
    if code:
        with pytest.raises(PlatformFailed, match=f"saw {on_given.kafka}"):
            Platform.up(tmp_path, [service("never")], prepare, lifetime="caller")
        assert not Platform(tmp_path).layout.log("never").exists()
        return
    platform = Platform.up(tmp_path, [service("after")], prepare, lifetime="caller")
    assert f"saw {on_given.kafka}" in platform.layout.last_lines("prepare")
    platform.down()


def test_waiters_hear_of_a_change_at_once(on_given: Addresses, tmp_path: Path) -> None:
    """A waiter in another thread returns as soon as the service is ready again, without looking again and again."""
    assert on_given.kafka
    platform = Platform.up(tmp_path, [service("watched")], lifetime="caller")
    heard: list[Any] = []
    waiter = threading.Thread(
        target=lambda: heard.append(platform.await_process("watched", lambda one: one.restarts == 1, 20))
    )
    waiter.start()
    os.kill(platform.pid("watched") or 0, signal.SIGKILL)
    waiter.join(20)
    assert [one.restarts for one in heard] == [1]
    platform.down()
