"""Where things are under the platform's directory, and what the supervisor and its callers tell each other there."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Addresses:
    """The servers: Kafka's bootstrap, PostgreSQL's URL, the registry's base URL."""

    kafka: str
    postgres: str
    registry: str

    def environment(self) -> dict[str, str]:
        """The settings that lead a service to these servers."""
        return {
            "MOTET_KAFKA_BOOTSTRAP": self.kafka,
            "MOTET_POSTGRES_URL": self.postgres,
            "MOTET_SCHEMA_REGISTRY_URL": self.registry,
        }


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service process: its name, its command, and what its environment has beside the addresses."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    replica: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one platform."""

    directory: Path

    @property
    def state(self) -> Path:
        """What the supervisor says of itself and its children."""
        return self.directory / "state.json"

    @property
    def desired(self) -> Path:
        """Which services shall run."""
        return self.directory / "services.json"

    @property
    def ports(self) -> Path:
        """The ports chosen at the first start."""
        return self.directory / "ports.json"

    @property
    def failure(self) -> Path:
        """Why the last start failed."""
        return self.directory / "failure.json"

    @property
    def bells(self) -> Path:
        """The pipes of those who wait for a change of the state."""
        return self.directory / "bells"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One start at a time: the second waits until the first is done."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def log(self, name: str) -> Path:
        """A process's output."""
        return self.directory / "logs" / f"{name}.log"

    def ready(self, name: str) -> Path:
        """The file that a service touches when it is ready."""
        return self.directory / "ready" / name

    def write(self, path: Path, content: Any) -> None:
        """Writes JSON such that a reader sees the old or the new content, never a part."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(json.dumps(content, indent=1))
        fresh.replace(path)

    def read(self, path: Path) -> Any:
        """Reads JSON; None if there is no such file."""
        try:
            return json.loads(path.read_text())
        except FileNotFoundError:
            return None

    def write_services(self, services: list[ServiceSpec]) -> None:
        """Says which services shall run."""
        self.write(self.desired, [asdict(one) for one in services])

    def read_services(self) -> list[ServiceSpec]:
        """The services that shall run."""
        entries = self.read(self.desired) or []
        return [ServiceSpec(e["name"], tuple(e["command"]), e["environment"], e["replica"]) for e in entries]

    def last_lines(self, name: str, count: int = 15) -> str:
        """The end of a process's output."""
        path = self.log(name)
        if not path.exists():
            return "(no output)"
        return "\n".join(path.read_text(errors="replace").splitlines()[-count:]) or "(no output)"
