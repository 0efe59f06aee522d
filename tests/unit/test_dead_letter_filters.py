"""Which dead letters a person means, and what one looks like: pure."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from motet.chassis.codec import Codec, newest_schemas
from motet.chassis.errors import ConfigurationError
from motet.cli.letters import Filter, content, excerpt, expected, since, states
from motet.client import Call, command

NOW = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)


class OneSchema:
    """A registry with each of our schemas, under the number of its name in order."""

    names = sorted(newest_schemas())

    def schema_id(self, topic: str, full_name: str) -> int:  # noqa: ARG002  the protocol's
        """Its place."""
        return self.names.index(full_name)

    def schema(self, schema_id: int) -> str | None:
        """Its text."""
        return newest_schemas()[self.names[schema_id]] if schema_id < len(self.names) else None


CODEC = Codec(OneSchema())
PLAN = CODEC.encode(
    "motet.commands", command([Call("bank.transfer", {"amount": 1})], tenant="acme", domain="d", agent="a")
)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-11-24T20:00", NOW - timedelta(minutes=30)),
        ("2026-11-24T21:00+01:00", NOW - timedelta(minutes=30)),
        (None, None),
    ],
)
def test_a_time_as_a_person_writes_it(text: str | None, at: datetime | None) -> None:
    """Some time ago, or a time, in UTC where it says nothing else."""
    assert since(text, NOW) == at


@pytest.mark.parametrize("text", ["", "yesterday", "5 m", "-3d", "99999999999d", "1w"])
def test_no_time(text: str) -> None:
    """The message names the value and what is allowed."""
    with pytest.raises(ConfigurationError, match="15m"):
        since(text, NOW)


def test_states_are_known() -> None:
    """Upper or lower case; one that there is not is an error, for it would find nothing for ever."""
    assert states(["open", "DISCARDED"]) == ("OPEN", "DISCARDED")
    assert states(None) == ()
    with pytest.raises(ConfigurationError, match="FAILED_AGAIN"):
        states(["lost"])


def test_a_filter_names_only_what_is_asked_for() -> None:
    """Values are parameters, never text of the query; without a state it is what waits for somebody."""
    assert not Filter().names_something
    assert Filter().condition() == ("state = ANY(%s)", [["OPEN", "FAILED_AGAIN"]])
    whole = Filter("tools-bank", "motet.results", "NO_KEY", "acme/'", NOW, ("DISCARDED",))
    assert whole.names_something
    text, values = whole.condition()
    assert text.count("%s") == len(values) == 6
    assert values == ["tools-bank", "motet.results", "NO_KEY", "acme/'", NOW, ["DISCARDED"]]
    assert "'" not in text


def test_a_value_is_shown_decoded_or_as_it_begins() -> None:
    """A record by its fields; else text as text, other bytes in hex, both cut."""
    kind, fields = content(CODEC, PLAN)
    assert kind == "motet.commands.SubmitPlan"
    assert json.loads(json.dumps(fields))["tenant"] == "acme"
    assert content(CODEC, None) == ("null", None)
    assert content(CODEC, b'{"a": 1}') == ("8 bytes that no schema reads", '{"a": 1}')
    assert excerpt(b"\x00\x01\xff\xfe") == "0001 fffe"
    assert excerpt(b"a\x1b[31mb").isprintable()
    assert excerpt(b"a" * 300) == "a" * 256 + "…"
    assert len(excerpt(os.urandom(9_000))) < 700


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"code": "NOT_ON_A_LANE", "value": PLAN}, "will fail again: only Motet's services"),
        ({"code": "NOT_AVRO", "value": b"{}"}, "will fail again: the value (2 bytes)"),
        ({"code": "HANDLING_FAILED", "value": PLAN, "service": "tools-bank"}, "hands the SubmitPlan to tools-bank"),
    ],
)
def test_what_a_redrive_is_going_to_do(row: dict[str, Any], told: str) -> None:
    """A dry run says so where the record itself tells it."""
    assert expected(CODEC, row).startswith(told)
