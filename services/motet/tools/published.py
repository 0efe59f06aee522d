"""What is published of a toolset already, and whether a service with its code may start beside it."""

from __future__ import annotations

from contextlib import closing

from motet.chassis.codec import Codec
from motet.chassis.contracts import every
from motet.chassis.errors import ContractChanged
from motet.chassis.registry import Registry
from motet.chassis.settings import Settings
from motet.tools.compatibility import Change, Known, changes, contract_of, known
from motet.tools.contract import Contract
from motet.tools.toolset import Toolset


def published(settings: Settings) -> dict[tuple[str, int], Contract]:
    """All contracts that Kafka has, by name and version. Raises LogUnreadable, RegistryUnavailable."""
    with closing(Registry(settings.schema_registry_url)) as registry:
        found = every(settings.kafka_bootstrap, Codec(registry))
    return known(contract_of(record) for (_, version), record in found.items() if version is not None)


def offered_by(toolset: Toolset) -> dict[tuple[str, int], Contract]:
    """The contracts of a toolset's code, by name and version."""
    return known(tool.contract_fields() for tool in toolset.tools)


def changes_by(toolset: Toolset, before: Known) -> list[Change]:
    """What a toolset's code changes of contracts that are published."""
    breaking = [(tool.name, tool.version) for tool in toolset.tools if tool.breaking]
    return changes(offered_by(toolset), before, breaking)


def check(toolset: Toolset, settings: Settings) -> None:
    """Raises ContractChanged, with the reason and the way out, if the toolset's service must not start beside what is published."""
    refused = [
        f"tool {one.name}: {one.refused}" for one in changes_by(toolset, published(settings)) if one.refused is not None
    ]
    if refused:
        raise ContractChanged("; ".join(refused))
