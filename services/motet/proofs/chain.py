"""One checkpoint after the other: each is signed, names the one before it, and has no less than it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from motet.proofs.checkpoint import Checkpoint
from motet.proofs.finding import Finding, Kind
from motet.proofs.keyring import Keyring
from motet.proofs.note import NotANote, Note


@dataclass(slots=True)
class Chain:
    """Checkpoints that are signed as they must be, by number, and what is wrong with the others."""

    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def newest(self) -> Checkpoint | None:
        """The last one that can be trusted."""
        return self.checkpoints[max(self.checkpoints)] if self.checkpoints else None

    def say(self, kind: Kind, number: int, message: str) -> None:
        """Notes what is wrong with a checkpoint."""
        self.findings.append(Finding(kind, f"checkpoint {number}", f"checkpoint {number}: {message}"))


def read_chain(notes: Iterable[tuple[int, str]], keyring: Keyring) -> Chain:
    """The chain of notes, in the order of the numbers that they are kept under. One that comes twice is the same one."""
    chain = Chain()
    before: Checkpoint | None = None
    due = 1
    for number, content in notes:
        if number > due:
            them = "it is" if number == due + 1 else f"it and those up to {number - 1} are"
            chain.say("MISSING_CHECKPOINT", due, f"{them} not there; checkpoint {number} is")
        repeated, due = number < due, max(due, number + 1)
        try:
            note = Note.parse(content)
            found = Checkpoint.parse(note.text)
        except NotANote as error:
            chain.say("UNREADABLE", number, str(error))
            continue
        if found.number != number:
            chain.say("UNREADABLE", number, f"what is kept under this number is checkpoint {found.number}")
            continue
        fault = keyring.fault(note, number)
        if fault is not None:
            chain.say("NOT_SIGNED", number, fault)
            continue
        first = chain.checkpoints.get(number)
        if first is None:
            chain.checkpoints[number] = found = found if before is None else sharing(found, before)
            follows(chain, chain.checkpoints.get(number - 1), before, found)
            before = found
        elif repeated and first.digest != found.digest:
            chain.say("FORK", number, "there are two of this number, and both are signed")
    return chain


def sharing(found: Checkpoint, before: Checkpoint) -> Checkpoint:
    """A checkpoint with the trees that did not grow taken from the one before: a long chain needs memory for what is new only."""
    old = before.by_place()
    heads = (old.get(head.place, head) for head in found.heads)
    return replace(
        found, heads=tuple(one if one == head else head for one, head in zip(heads, found.heads, strict=True))
    )


def follows(chain: Chain, direct: Checkpoint | None, before: Checkpoint | None, found: Checkpoint) -> None:
    """Compares a checkpoint with the one directly before it, if that can be trusted, and with the last one that can."""
    due = None if found.number == 1 else direct.digest if direct else found.previous
    if found.previous != due:
        said = "none" if found.previous is None else f"{found.previous[:16]}…"
        has = "there is none before it" if due is None else f"that has {due[:16]}…"
        chain.say("BROKEN_CHAIN", found.number, f"it says that the digest of the one before it is {said}, and {has}")
    if before is None:
        return
    if found.cluster != before.cluster:
        chain.say(
            "OTHER_CLUSTER",
            found.number,
            f"it is about cluster {found.cluster}, those before it are about {before.cluster}",
        )
    heads = found.by_place()
    for head in before.heads:
        now = heads.get(head.place)
        if now is None or now.size < head.size or now.next_offset < head.next_offset:
            has = "does not have it" if now is None else f"has {now.size} up to offset {now.next_offset}"
            chain.say(
                "WENT_BACK",
                found.number,
                f"checkpoint {before.number} has {head.size} records of {head.topic}:{head.partition} up to offset "
                f"{head.next_offset}, and this one {has}",
            )


def compare(kept: Chain, published: Chain) -> list[Finding]:
    """The checkpoints that somebody kept beside those that are in the log. Those of a person, epoch 0, were never in the log."""
    if not any(one.epoch for one in kept.checkpoints.values()):
        return []
    out = [replace(found, message=f"in the log, {found.message}") for found in published.findings]
    for number in sorted(kept.checkpoints.keys() & published.checkpoints.keys()):
        one, other = kept.checkpoints[number], published.checkpoints[number]
        if one.digest != other.digest:
            message = (
                f"checkpoint {number}: the kept one has digest {one.digest[:16]}…, the one in the log {other.digest[:16]}…, and both are "
                f"signed: history went two ways after checkpoint {number - 1}"
            )
            out.append(Finding("FORK", f"checkpoint {number}", message))
            break
    last_kept, last_published = max(kept.checkpoints, default=0), max(published.checkpoints, default=0)
    if last_published < last_kept:
        message = (
            f"the log's own checkpoints end with {last_published}, and {last_kept} are kept: the log is that of a backup from before "
            f"checkpoint {last_published + 1}, or its end was deleted"
        )
        out.append(Finding("OLD_BACKUP", f"checkpoint {last_kept}", message))
    missing = sorted(published.checkpoints.keys() - kept.checkpoints.keys())
    if missing:
        numbers = ", ".join(str(number) for number in missing[:10]) + (" …" if missing[10:] else "")
        message = (
            f"checkpoint {numbers}: in the log, and not kept: the kept ones were deleted, or are older than the log's"
        )
        out.append(Finding("NOT_KEPT", f"checkpoint {missing[0]}", message))
    return out
