"""Which servers the integration tests take."""

from __future__ import annotations

import pytest

import servers
from motet.platform import Addresses


def test_three_addresses_are_taken_as_they_are() -> None:
    """All three set: these servers, and nothing is started."""
    environment = dict(zip(servers.NAMED, ("kafka:1", "postgresql://two", "http://three"), strict=True))
    assert servers.given(environment) == Addresses("kafka:1", "postgresql://two", "http://three")


def test_none_is_fine_and_some_are_an_error() -> None:
    """A mixture would test what nobody meant: the error names what is missing."""
    assert servers.given({}) is None
    with pytest.raises(servers.IncompleteAddresses, match="MOTET_POSTGRES_URL, MOTET_SCHEMA_REGISTRY_URL not set"):
        servers.given({"MOTET_KAFKA_BOOTSTRAP": "kafka:1"})
