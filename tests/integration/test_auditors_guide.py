"""`docs/auditing.md` as an auditor follows it: with logins that may only read, on a broker that checks them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import psycopg
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

import servers
from guide import typed
from motet.client import Client, read_plan_file
from motet.client.sending import Sending, SubmitFailed
from motet.platform.ports import free_port
from terminal import terminal
from world import World, with_topics

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "auditing.md").read_text()
TOOLS: Final = ROOT / "examples" / "greeting_tools.py"
PLAN: Final = ROOT / "examples" / "plan.yaml"
SECONDS: Final = 30.0
CLIENTS: Final = 24
COMMANDS: Final = "motet.commands"
# A second listener that asks for a login, and an authorizer. Who comes by the first one, such as the services here, may do everything.
BROKER: Final = """
listeners=LOGIN://127.0.0.1:{port}
advertised.listeners=LOGIN://127.0.0.1:{port}
listener.security.protocol.map=LOGIN:SASL_PLAINTEXT
listener.name.login.sasl.enabled.mechanisms=PLAIN
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_auditor="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
LOGIN: Final = """
security.protocol=SASL_PLAINTEXT
sasl.mechanisms=PLAIN
sasl.username=auditor
sasl.password={password}
"""
PASSWORD: Final = "read-only-7f3a"  # noqa: S105  of servers that end with the test


@dataclass
class Guarded:
    """A running Motet, and the address at which Kafka asks who one is."""

    world: World
    kafka: str


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    """Servers of its own, with logins for an auditor."""
    port = free_port()
    with servers.open_directory() as place:
        home = place / ".motet"
        home.mkdir()
        (home / "kafka.properties").write_text(BROKER.format(port=port, password=PASSWORD))
        with servers.embedded(home) as addresses:
            world = World(with_topics(addresses), tmp_path)
            may_read = [
                AclBinding(
                    *(ResourceType.TOPIC, "motet.", ResourcePatternType.PREFIXED, "User:auditor", "*"),
                    *(operation, AclPermissionType.ALLOW),
                )
                for operation in (AclOperation.READ, AclOperation.DESCRIBE)
            ]
            admin = AdminClient({"bootstrap.servers": addresses.kafka})
            for one in admin.create_acls(may_read).values():
                one.result(SECONDS)
            try:
                yield Guarded(world, f"127.0.0.1:{port}")
            finally:
                world.close()


@pytest.mark.timeout(240)
def test_an_auditor_needs_to_read_and_nothing_more(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a login to a signed answer; what would write is refused by Kafka and by PostgreSQL."""
    world = guarded.world
    world.coordinator()
    world.projector()
    world.tools(str(TOOLS))
    with Client(world.addresses.kafka, world.addresses.registry) as client:
        assert client.submit_command(read_plan_file(PLAN)).wait(SECONDS).status == "SUCCEEDED"
    world.await_no_lag("coordinator", "projector", "tools-greeting")
    with psycopg.connect(world.addresses.postgres, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE auditor LOGIN PASSWORD '{PASSWORD}' IN ROLE motet_reader".encode())
    desk = tmp_path / "desk"
    desk.mkdir()
    shutil.copy(PLAN, desk / "plan.yaml")
    (desk / "login.properties").write_text(LOGIN.format(password=PASSWORD).lstrip())
    (desk / "login.properties").chmod(0o600)
    monkeypatch.setenv("MOTET_KAFKA_PROPERTIES", str(desk / "login.properties"))
    shell = terminal(world)
    try:
        shell.run(f"cd {desk}; export MOTET_KAFKA_BOOTSTRAP={guarded.kafka}")
        shell.run(
            f"export MOTET_POSTGRES_URL={world.addresses.postgres.replace('motet:motet@', f'auditor:{PASSWORD}@')}"
        )
        for one in typed(PAGE):
            printed = shell.run(one.command)
            assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"
            assert PASSWORD not in printed
        # Without the login nothing is read at all, and the reason is said.
        assert "motet:" in shell.run("MOTET_KAFKA_PROPERTIES= motet audit")
    finally:
        shell.close()


def keep(told: list[tuple[str | None, str | None]], place: str | None, reason: str | None) -> None:
    """What became of a record."""
    told.append((place, reason))


@pytest.mark.timeout(240)
def test_each_client_that_may_not_write_is_told_so(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever its producer gives up, before or after a record was handed to it; once a lock stayed taken then, or 30 s passed."""
    (tmp_path / "login.properties").write_text(LOGIN.format(password=PASSWORD).lstrip())
    (tmp_path / "login.properties").chmod(0o600)
    monkeypatch.setenv("MOTET_KAFKA_PROPERTIES", str(tmp_path / "login.properties"))
    over = threading.Event()
    # The moments at which threads take turns are what it depends on.
    busy = threading.Thread(target=lambda: any(iter(lambda: int(over.is_set()), 1)))
    busy.start()
    try:
        for number in range(CLIENTS):
            sending, told = Sending(guarded.kafka), list[tuple[str | None, str | None]]()
            if number % 2:
                sending.poll(number / 50)
            sending.give(COMMANDS, b"nobody/main", b"", partial(keep, told))
            with pytest.raises(SubmitFailed, match="authorization failed"):
                sending.flush()
            assert [place for place, _ in told] == [None]
            assert "authorization failed" in str(told)
    finally:
        over.set()
        busy.join()
