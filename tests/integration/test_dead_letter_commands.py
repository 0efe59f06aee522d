"""`motet dead-letters` as an operator types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from desk import SECONDS, Desk, client, desk
from motet.chassis.identity import domain_key, partition_of
from motet.chassis.waiting import wait_until
from motet.client import Client
from motet.records import (
    Meta,
    RepairOrdered,
)

ROOT: Final = Path(__file__).resolve().parents[2]


__all__ = ["client", "desk"]


def test_the_command_line(desk: Desk, client: Client) -> None:
    """List, show, dry run, redrive and discard, for people and for programs."""
    with desk.tools_broken("shell"):
        plans = desk.deposits(client, "shell", "a")
        letter = desk.letter("shell")
        plans += desk.deposits(client, "shell", "b")
        desk.await_parked("tools_crash_hop", "shell", 1)
        mine = ("--key", f"{desk.world.tenant}/shell")
        listed = json.loads(desk.motet("dead-letters", "list", *mine, "--since", "1h", "--json"))
        assert [one["event_id"] for one in listed] == [letter["event_id"]]
        assert letter["event_id"][:12] in desk.motet("dead-letters", "list", *mine, "--tenant", desk.world.tenant)
        assert "no dead letters" in desk.motet("dead-letters", "list", *mine, "--tenant", "stranger")
        assert "no dead letters" in desk.motet("dead-letters", "list", *mine, "--state", "discarded")
        shown = desk.motet("dead-letters", "show", letter["event_id"][:10])
        for told in (
            " ".join(letter["reason"].split())[:60],
            "motet.invocations.InvokeCalls",
            "shell-a",
            "1 later records",
            "redrive",
        ):
            assert told in shown
        dry = desk.motet("dead-letters", "redrive", *mine, "--dry-run")
        assert "would redrive 1; nothing was changed" in dry
        assert "InvokeCalls" in dry
        assert json.loads(desk.motet("dead-letters", "discard", *mine, "--dry-run", "--json"))["dry_run"]
        assert desk.outcomes(letter) == []
        said = desk.motet("dead-letters", "redrive", letter["event_id"][:8], code=1)
        assert "FAILED_AGAIN" in said
        assert "CheckViolation" in said
    told = json.loads(desk.motet("dead-letters", "redrive", *mine, "--reason", "mended", "--as", "ann", "--json"))
    assert [(one["outcome"], one["released"]) for one in told["dead_letters"]] == [("REDRIVEN", 1)]
    assert [plan.wait(SECONDS).status for plan in plans] == ["SUCCEEDED"] * 2
    desk.await_row(letter, state="REDRIVEN", repaired_by="ann", repair_reason="mended")
    assert "NOT_FOUND" in desk.motet("dead-letters", "redrive", letter["event_id"], code=1)
    assert "nothing is left to do" in desk.motet("dead-letters", "show", letter["event_id"])
    assert "no dead letter matches" in desk.motet("dead-letters", "discard", *mine)


def test_many_at_once_and_on_no_lane(desk: Desk) -> None:
    """By filter, a bounded number at once, the oldest first; a forged record can only be discarded."""
    key = domain_key(desk.world.tenant, "forged")
    meta = Meta(os.urandom(16).hex(), "c", "c", desk.world.tenant, "forged", 1, 1, None)
    value = desk.codec.encode(
        "motet.events", RepairOrdered(meta, "", "0" * 32, "projector", 0, "DISCARD", "forger", "")
    )
    producer = desk.world.producer()
    for _ in range(3):
        producer.produce("motet.events", value, key, partition_of(key, 4))
    producer.flush(SECONDS)
    mine = ("--code", "NOT_ON_A_LANE", "--tenant", desk.world.tenant)

    def listed() -> list[Any]:
        return list(json.loads(desk.motet("dead-letters", "list", *mine, "--json")))

    wait_until(lambda: len(listed()) == 3, SECONDS, "three letters")
    assert "will fail again" in desk.motet("dead-letters", "redrive", *mine, "--dry-run")
    assert "FAILED_AGAIN" in desk.motet("dead-letters", "redrive", *mine, "--limit", "1", code=1)
    desk.world.await_no_lag("projector")
    tried = [one["event_id"] for one in listed() if one["state"] == "FAILED_AGAIN"]
    said = desk.motet("dead-letters", "discard", *mine, "--limit", "2")
    assert "2 of 2 discarded; 1 more match: run it again" in said
    desk.world.await_no_lag("projector")
    assert [one["event_id"] for one in listed()] == tried
    assert "1 of 1 discarded" in desk.motet("dead-letters", "discard", *mine)


def test_what_a_person_did_wrong_is_one_line(desk: Desk) -> None:
    """Nothing is done to everything by mistake."""
    for arguments, told in (
        (("redrive",), "say which"),
        (("discard", "--all", "--code", "NO_KEY"), "one of the three"),
        (("redrive", "abcd", "--service", "projector"), "one of the three"),
        (("show", "xyz"), "'xyz' is no dead letter's id"),
        (("discard", "0" * 32), "there is no dead letter"),
        (("list", "--since", "yesterday"), "--since 'yesterday'"),
        (("list", "--state", "lost"), "--state 'LOST'"),
    ):
        said = desk.motet("dead-letters", *arguments, code=2)
        assert told in said
        assert "Traceback" not in said


def test_the_example(desk: Desk) -> None:
    """A broken record on the door is found over SQL and discarded, in plain Python."""
    said = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "dead_letters.py"), *addresses(desk)],
        env=desk.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    ).stdout
    assert "NOT_AVRO" in said
    assert "FAILED_AGAIN" in said
    assert said.splitlines()[-1].startswith("DISCARDED")


def addresses(desk: Desk) -> tuple[str, ...]:
    """What the example takes."""
    return (desk.world.addresses.postgres,)
