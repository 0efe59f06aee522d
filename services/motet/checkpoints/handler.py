"""One shard of the service: what the leader signed becomes a record.

It reads the topics as they are, not as a consumer in a group: what it consumes is repairs only. The shard that leads the job publishes what
the job signed, as facts that no input caused.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from motet.chassis.errors import ConfigurationError
from motet.chassis.hop import Hop
from motet.chassis.identity import partition_of
from motet.chassis.repairs import DEAD_LETTERS, REPAIRS
from motet.chassis.service import Inert, Input, Opening, Received, Service
from motet.chassis.settings import Settings
from motet.checkpoints.keys import read_private
from motet.checkpoints.making import CHECKPOINTS
from motet.checkpoints.signing import NAME, Rules, Signer
from motet.proofs.checkpoint import Checkpoint
from motet.proofs.note import Note, PrivateKey
from motet.records import CheckpointSigned

PUBLISHED_AT_ONCE: Final = 100
WAITING: Final = "SELECT number, note FROM checkpoint WHERE NOT published ORDER BY number LIMIT %s"
PUBLISHED: Final = "UPDATE checkpoint SET published = true WHERE number = ANY(%s)"


def service(settings: Settings) -> Service:
    """The service. Raises ConfigurationError if it has no key to sign with."""
    if settings.checkpoint_key_file is None:
        raise ConfigurationError(
            "MOTET_CHECKPOINT_KEY_FILE is not set: `motet checkpoint keygen FILE` makes a key, and its public half is for those who verify"
        )
    return declaration(settings, read_private(settings.checkpoint_key_file))


def declaration(settings: Settings, key: PrivateKey | None) -> Service:
    """What the service reads and writes."""
    rules = Rules(settings.checkpoint_seconds, settings.checkpoint_records, settings.checkpoint_directory)
    signer = Signer(settings.kafka_bootstrap, key, rules)
    return Service(
        name="checkpoints",
        inputs=(Input(REPAIRS),),
        outputs=(CHECKPOINTS, DEAD_LETTERS),
        open=partial(Publishing, signer=signer),
        schema="checkpoints",
        migrations=(Path(__file__).parent / "migrations",),
        jobs=(signer.job(),),
    )


class Publishing(Inert):
    """One shard: the one in which the job is led publishes."""

    def __init__(self, opening: Opening, signer: Signer) -> None:
        self.opening, self.signer = opening, signer
        self.leads = opening.partition == partition_of(NAME.encode(), opening.partitions)
        # What a former owner signed and did not publish is still there.
        self.signer.fresh = True

    def ready(self) -> bool:
        """Whether something may wait to be published."""
        return self.leads and self.signer.fresh

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:  # noqa: ARG002  nothing but repairs comes, and the chassis has these
        """Publishes what was signed and is not published yet, in order."""
        if not self.ready():
            return
        rows = self.opening.connection.execute(WAITING, (PUBLISHED_AT_ONCE,)).fetchall()
        hop.exogenous = True
        for number, note in rows:
            self.publish(number, note, hop)
        hop.exogenous = False
        self.opening.connection.execute(PUBLISHED, ([number for number, _ in rows],))
        self.signer.fresh = len(rows) == PUBLISHED_AT_ONCE

    def publish(self, number: int, note: str, hop: Hop) -> None:
        """One checkpoint."""
        signed = Note.parse(note)
        checkpoint, (signature, *_) = Checkpoint.parse(signed.text), signed.signatures
        place = f"{self.opening.service}/{self.opening.partition}"
        meta = hop.meta(place, hop.wall_ms(), "", "", place, None)
        key = f"{signature.name}+{signature.key_id}"
        record = CheckpointSigned(meta, number, checkpoint.epoch, checkpoint.digest, checkpoint.records, key, note)
        hop.emit(CHECKPOINTS, record, checkpoint.cluster.encode(), self.opening.partition)
