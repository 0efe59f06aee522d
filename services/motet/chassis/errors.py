"""What can go wrong, as a tree; each leaf says who tries again.

MotetError
├── ConfigurationError      a person corrects a setting or a declaration; the process does not start
├── Refused                 a person decides; the process stops rather than harm the log
│   ├── DatabaseBehindLog   the database was restored from before the log: `motet recover`
│   ├── LaneBroken          a gap or a wrong digest on a lane: somebody else wrote there, or records were lost
│   └── ContractChanged     a tool's version was published with other content, or would break the callers of the one before
├── Fenced                  nobody: another process owns the shard now, this one lets it go
├── RegistryUnavailable     the chassis tries again; nothing is dead-lettered for it
└── Undecodable             nobody: the record goes to the dead letters with this message
"""

from __future__ import annotations


class MotetError(Exception):
    """Root of all errors that Motet raises."""


class ConfigurationError(MotetError):
    """A setting or a declaration is wrong; the message names it, its value and what is allowed."""


class Refused(MotetError):
    """Going on would harm the log; a person decides."""


class DatabaseBehindLog(Refused):
    """The consumer group committed further than the shard's row says: the database is older than the log."""


class LaneBroken(Refused):
    """A lane has a gap or a wrong digest."""


class ContractChanged(Refused):
    """A tool's published version has other content than the code, or its new version cannot take the place of the one before."""


class Fenced(MotetError):
    """The shard's row was moved by another owner."""


class RegistryUnavailable(MotetError):
    """The schema registry did not answer; it is asked again."""


class Undecodable(MotetError):
    """A record that no schema reads: the code says why in one word, the message in a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
