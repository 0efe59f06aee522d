"""What a verification finds, each with its kind, its place, and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    # Of the checkpoints themselves.
    "MISSING_CHECKPOINT",  # a number is not there
    "UNREADABLE",  # a file is no signed checkpoint, or none of that number
    "NOT_SIGNED",  # by nobody who is trusted, or the signature does not fit
    "BROKEN_CHAIN",  # it does not name the one before it
    "WENT_BACK",  # it has less than the one before it
    "OTHER_CLUSTER",  # it is about another log
    "FORK",  # there are two of one number
    "NOT_KEPT",  # it was published, and is not where it was to be kept
    # Of the log.
    "OLD_BACKUP",  # the log as a whole is older than a checkpoint
    "TRUNCATED",  # a partition does not begin where it did
    "TAIL_DELETED",  # a partition ends before it did
    "NO_PARTITION",  # it is not there at all
    "REWRITTEN",  # a record is another one
    "REORDERED",  # a record stands at another offset
    "RETIMED",  # a record has another time
    "REMOVED",  # an offset holds nothing that held a record
    "INSERTED",  # an offset holds a record that held none
    "CHANGED",  # something within a range is not what it was, and which record cannot be said
]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was signed. `where` is `topic:partition:offset` or `checkpoint N`."""

    kind: Kind
    where: str
    message: str
