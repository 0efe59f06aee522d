"""Checkpoints on a real Kafka whose topics somebody changes: each way is found and named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest

import forging
import servers
from forging import Content
from guide import Typed, typed
from motet.chassis.codec import Codec
from motet.chassis.log_reader import LogReader
from motet.chassis.message import Message
from motet.chassis.registry import Registry
from motet.chassis.waiting import wait_until
from motet.checkpoints import keys
from motet.checkpoints.directory import Directory
from motet.checkpoints.making import CHECKPOINTS
from motet.checkpoints.published import published
from motet.checkpoints.verifying import Verified, verify
from motet.client import Call
from motet.proofs.chain import Chain, compare, read_chain
from motet.proofs.keyring import Keyring
from motet.proofs.note import PrivateKey
from terminal import terminal
from world import World, with_topics

ROOT: Final = Path(__file__).resolve().parents[2]
TOOLS: Final = ROOT / "examples" / "greeting_tools.py"
SECONDS: Final = 60.0
EVENTS: Final = "motet.events"
RESULTS: Final = "motet.results"
CONTRACTS: Final = "motet.contracts"
PAGE: Final = (ROOT / "docs" / "checkpoints.md").read_text()
# `motet verify` where nothing can be reached.
ALONE: Final = """
import socket, sys
def refuse(*_):
    raise AssertionError("a connection was tried")
socket.socket.connect = socket.socket.connect_ex = refuse
sys.argv = ["motet", "verify", *sys.argv[1:]]
from motet.cli import main
main()
"""


@dataclass
class Signed:
    """A log that a checkpoint service signed several times while plans ran, and what it was then."""

    world: World
    folder: Path
    key: Path
    keyring: Keyring
    # What the page says, and what the screen said.
    page: list[tuple[Typed, str]] = field(default_factory=list)
    plan_id: str = ""
    backup: dict[str, Content] = field(default_factory=dict)
    older: dict[str, Content] = field(default_factory=dict)

    @property
    def kafka(self) -> str:
        """Where it is."""
        return self.world.addresses.kafka

    def chain(self) -> Chain:
        """What is kept."""
        return read_chain(Directory(self.folder).notes(), self.keyring)

    def published(self) -> Chain:
        """What is in the log."""
        reader, registry = LogReader(self.kafka), Registry(self.world.addresses.registry)
        found = read_chain(published(reader, Codec(registry)), self.keyring)
        reader.close()
        registry.close()
        return found

    def topics(self) -> list[str]:
        """Every topic that there is."""
        reader = LogReader(self.kafka)
        names = sorted({topic for topic, _ in reader.places()[1]})
        reader.close()
        return names

    def verify(self, folder: Path | None = None) -> Verified:
        """Reads everything again."""
        reader, registry = LogReader(self.kafka), Registry(self.world.addresses.registry)
        notes = published(reader, Codec(registry))
        found = verify(reader, Directory(folder or self.folder), self.keyring, notes, lambda _: None)
        reader.close()
        registry.close()
        return found

    def sign(self, at_least: int) -> None:
        """Waits until the service has signed everything that there is, and published it."""
        self.world.await_no_lag("coordinator", "tools-greeting")
        wait_until(
            lambda: (
                len(self.chain().checkpoints) >= at_least and not self.verify().unsigned and not self.verify().findings
            ),
            SECONDS,
            "everything is signed",
        )

    def said(self, folder: Path | None = None) -> set[tuple[str, str]]:
        """Kinds and places of what is found."""
        return {(one.kind, one.where) for one in self.verify(folder).findings}

    def longest(self) -> int:
        """The partition of events that has most."""
        content = self.backup[EVENTS]
        return max(content, key=lambda number: len(content[number]))


def serve(signed: Signed, **environment: str) -> None:
    """Starts the checkpoint service."""
    signed.world.start(
        "checkpoints",
        "serve",
        "checkpoints",
        MOTET_CHECKPOINT_KEY_FILE=str(signed.key),
        MOTET_CHECKPOINT_DIRECTORY=str(signed.folder),
        MOTET_CHECKPOINT_SECONDS="0.1",
        MOTET_SESSION_TIMEOUT_MS="1000",
        **environment,
    )


def type_page(world: World) -> list[tuple[Typed, str]]:
    """The page's commands, typed while everything runs."""
    shell = terminal(world)
    try:
        return [(one, shell.run(one.command)) for one in typed(PAGE)]
    finally:
        shell.close()


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    """Servers of its own, since every topic is signed and some are deleted."""
    directory = tmp_path_factory.mktemp("signed")
    key = directory / "key"
    keys.write_pair(key, PrivateKey.generate("motet.example"))
    (directory / "kept").mkdir()
    with servers.open_directory() as place, servers.embedded(place / ".motet") as addresses:
        made = Signed(
            World(with_topics(addresses), directory),
            directory / "kept",
            key,
            keys.read_public(key.with_name("key.pub")),
        )
        world = made.world
        world.coordinator()
        world.tools(str(TOOLS))
        serve(made)
        try:
            with world.client() as client:
                client.run([Call("greeting.greet", {"name": "Ada"}), Call("greeting.shout", {"text": "one"})])
                made.sign(at_least=1)
                # Killed whenever it comes: the chain goes on without a gap, under another token.
                world.running["checkpoints"].kill()
                made.older = forging.dump(made.kafka, made.topics())
                client.run([Call("greeting.greet", {"name": "Grace"}), Call("greeting.shout", {"text": "two"})])
                serve(made)
                made.sign(at_least=2)
                made.plan_id = client.run([Call("greeting.greet", {"name": "Edsger"})]).plan_id
                made.page = type_page(world)
                made.sign(at_least=3)
            for process in world.running.values():
                process.stop()
            made.backup = forging.dump(made.kafka, made.topics())
            yield made
        finally:
            world.close()


def test_a_log_that_nobody_touched_is_as_it_was_signed(signed: Signed) -> None:
    """By the service, through a SIGKILL, and the chain that is kept is the one that is in the log; tokens go up."""
    found = signed.verify()
    assert (found.findings, found.unsigned) == ((), 0)
    assert found.records == sum(
        len(one) for name, content in signed.backup.items() if name != CHECKPOINTS for one in content.values()
    )
    epochs = [one.epoch for one in signed.chain().checkpoints.values()]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) >= 2
    assert signed.world.sql("SELECT count(*) FROM checkpoints.checkpoint WHERE NOT published") == [(0,)]


@pytest.fixture(scope="module")
def altered(signed: Signed) -> dict[str, tuple[set[tuple[str, str]], set[tuple[str, str]]]]:
    """What is found, and what is due, by topic, after each kind of change, each in a partition of its own; then all is as it was."""
    contracts, events, number = signed.backup[CONTRACTS], signed.backup[EVENTS], signed.longest()
    (one, other, *rest), tail = contracts[0], contracts[1][:-1]
    first, last = contracts[3][0], events[number][-1]
    swapped = [replace(other, timestamp_ms=one.timestamp_ms), replace(one, timestamp_ms=other.timestamp_ms), *rest]
    forging.put(
        signed.kafka,
        {
            CONTRACTS: {
                0: [replace(record, offset=offset) for offset, record in enumerate(swapped)],
                1: tail,
                2: [*contracts[2][:-1], flipped(contracts[2][-1])],
                3: [replace(first, timestamp_ms=first.timestamp_ms - 1), *contracts[3][1:]],
            },
            # The last of its lane, so that no digest on the lane says so.
            EVENTS: {**events, number: [*events[number][:-1], replace(last, headers=(*last.headers, ("more", b"1")))]},
        },
    )
    forging.cut_beginning(signed.kafka, RESULTS, number, 1)
    found = signed.said()
    forging.put(signed.kafka, {name: signed.backup[name] for name in (CONTRACTS, EVENTS, RESULTS)})
    due = {
        "rewritten": {("REWRITTEN", f"{CONTRACTS}:2:{contracts[2][-1].offset}"), ("REWRITTEN", last.where)},
        "reordered": {("REORDERED", f"{CONTRACTS}:0:0"), ("REORDERED", f"{CONTRACTS}:0:1")},
        "retimed": {("RETIMED", f"{CONTRACTS}:3:0")},
        "tail deleted": {("TAIL_DELETED", f"{CONTRACTS}:1:{len(tail)}")},
        "truncated": {("TRUNCATED", f"{RESULTS}:{number}:1")},
    }
    return {name: (found, wanted) for name, wanted in due.items()}


def flipped(message: Message) -> Message:
    """A record with one bit of its value changed."""
    value = message.value or b""
    return replace(message, value=value[:-1] + bytes([value[-1] ^ 1]))


@pytest.mark.parametrize("how", ["rewritten", "reordered", "retimed", "tail deleted", "truncated"])
def test_each_change_of_the_log_is_named(altered: dict[str, tuple[set[Any], set[Any]]], how: str) -> None:
    """With its kind, its topic, its partition and its offset; and nothing else is said to be changed."""
    found, due = altered[how]
    assert due <= found
    assert found == set().union(*(one for _, one in altered.values()))


def test_an_old_backup_is_named(signed: Signed) -> None:
    """All topics as they were once, the log's own checkpoints too: the kept ones know better."""
    forging.put(signed.kafka, signed.older)
    try:
        kinds = {kind for kind, _ in signed.said()}
        assert "OLD_BACKUP" in kinds
        assert kinds <= {"OLD_BACKUP", "TAIL_DELETED"}
        # Nobody signs over it: the service says why and signs nothing.
        numbers = Directory(signed.folder).numbers()
        said = motet(signed, "checkpoint", "create", "--to", str(signed.folder), "--key", str(signed.key), code=2)
        assert "Nothing is signed over that" in " ".join(said.split())
        assert Directory(signed.folder).numbers() == numbers
    finally:
        forging.put(signed.kafka, signed.backup)
    assert signed.said() == set()


def test_kept_checkpoints_that_were_changed_are_named(signed: Signed, tmp_path: Path) -> None:
    """One that is missing, unsigned, or signed by somebody else; the newest ones gone; and a second history of the same key."""
    notes = dict(Directory(signed.folder).notes())
    text = notes[2].partition("\n\n")[0] + "\n"
    own, stranger = keys.read_private(signed.key), PrivateKey.generate("motet.example")
    for name, changed, due in (
        ("missing", {2: None}, {("MISSING_CHECKPOINT", "checkpoint 2"), ("NOT_KEPT", "checkpoint 2")}),
        ("gone", {max(notes): None}, {("NOT_KEPT", f"checkpoint {max(notes)}")}),
        ("unsigned", {2: text}, {("UNREADABLE", "checkpoint 2")}),
        ("changed", {2: notes[2].replace("epoch ", "epoch 1")}, {("NOT_SIGNED", "checkpoint 2")}),
        ("stranger", {2: stranger.sign(text)}, {("NOT_SIGNED", "checkpoint 2")}),
        ("fork", {2: own.sign(text.replace("epoch ", "epoch 9"))}, {("FORK", "checkpoint 2")}),
    ):
        folder = Directory(tmp_path / name)
        for number, note in (notes | changed).items():
            if note is not None:
                folder.keep(number, note, b"")
        chain = read_chain(folder.notes(), signed.keyring)
        said = {(one.kind, one.where) for one in (*chain.findings, *compare(chain, signed.published()))}
        assert due <= said, name


def motet(signed: Signed, *arguments: str, code: int = 0) -> str:
    """A command's output."""
    done = subprocess.run(
        [sys.executable, "-m", "motet", *arguments],
        env={**signed.world.addresses.environment(), "PYTHONPATH": str(ROOT / "services"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_key_that_others_may_read_signs_nothing(signed: Signed, tmp_path: Path) -> None:
    """Nor does one that is not there; and no message shows it."""
    key = tmp_path / "key"
    shutil.copy(signed.key, key)
    key.chmod(0o640)
    said = motet(signed, "checkpoint", "create", "--to", str(tmp_path / "own"), "--key", str(key), code=2)
    assert "mode 0640" in said
    # Base64 has plus signs of its own.
    assert key.read_text().strip().split("+", 4)[-1] not in said


def test_somebody_else_signs_the_same_log(signed: Signed, tmp_path: Path) -> None:
    """An auditor's own chain, in parts of few records each, which goes on also where what is beside the newest was lost."""
    key, own = tmp_path / "auditor", tmp_path / "own"
    public = str(keys.write_pair(key, PrivateKey.generate("auditor.example")))
    create = ("checkpoint", "create", "--to", str(own), "--key")
    made = json.loads(motet(signed, *create, str(key), "--records", "30", "--json"))
    assert len(made) > 2
    assert all(one["added"] <= 30 and one["epoch"] == 0 for one in made)
    found = json.loads(motet(signed, "checkpoint", "verify", "--from", str(own), "--public-key", public, "--json"))
    assert (found["violations"], found["unsigned"], found["records"]) == ([], 0, made[-1]["records"])
    audit = ("audit", "--from", str(own), "--public-key", public, "--json", "--from-checkpoint")
    newest, second = (json.loads(motet(signed, *audit, number)) for number in ("0", "2"))
    assert (newest["violations"], second["violations"]) == (0, 0)
    # The service's own checkpoints are in no tree, and are read each time.
    assert second["events"] - newest["events"] == made[-1]["records"] - made[1]["records"]
    assert f"before checkpoint {made[1]['number']} of" in second["not_checked"][-1]
    assert "there is no checkpoint 999" in motet(signed, *audit, "999", code=2)
    (own / f"{len(made):010}.leaves").unlink()
    assert "nothing is new" in motet(signed, *create, str(key))
    other = motet(signed, *create, str(signed.key), code=2)
    assert "no key that you trust" in " ".join(other.split())


def test_the_page_says_what_the_screen_says(signed: Signed) -> None:
    """Every command of docs/checkpoints.md, typed on the real thing."""
    assert len(signed.page) >= 15
    for one, printed in signed.page:
        assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"


def test_a_plan_is_exported_and_verified_elsewhere(signed: Signed, tmp_path: Path) -> None:
    """With everything that the log has of it, down to the results; and without a server, a setting or a connection."""
    bundle, public = tmp_path / "plan.zip", str(signed.key.with_name("key.pub"))
    motet(signed, "export", signed.plan_id, "--out", str(bundle), "--from", str(signed.folder), "--public-key", public)

    def alone(file: Path, *more: str) -> tuple[int, dict[str, Any]]:
        """Verified in an empty folder."""
        done = subprocess.run(
            [sys.executable, "-c", ALONE, str(file), "--json", *more],
            env={"PYTHONPATH": str(ROOT / "services"), "PATH": "/usr/bin:/bin"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(done.stdout)

    code, found = alone(bundle, "--public-key", public)
    assert (code, found["violations"], found["plan_id"]) == (0, [], signed.plan_id)
    with zipfile.ZipFile(bundle) as archive:
        topics = {name.removeprefix("records/").rsplit("-", 2)[0] for name in archive.namelist() if "records/" in name}
        report = archive.read("report.txt").decode()
    assert topics == {
        *("motet.commands", "motet.contracts", "motet.events", "motet.results"),
        "motet.invocations.greeting",
    }
    assert "It ended: SUCCEEDED" in report
    assert "Edsger" in report
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(data)
    code, found = alone(bundle)
    assert (code, bool(found["violations"])) == (1, True)
    other = motet(signed, "export", "0" * 32, "--from", str(signed.folder), "--public-key", public, code=2)
    assert "has no event of plan" in " ".join(other.split())
