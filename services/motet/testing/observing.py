"""What a proof counts: effects as the author's own function sees them, or the rows of the toolset's own tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import psycopg

from motet.chassis.errors import ConfigurationError
from motet.testing.proof import Proof
from motet.tools.host import schemas_of
from motet.tools.toolset import Toolset

NAME: Final = "proofs"
TABLES: Final = "SELECT tablename::text FROM pg_tables WHERE schemaname = %s ORDER BY 1"


def proofs_of(reference: str, modules: Mapping[str, ModuleType]) -> dict[str, Proof]:
    """The proofs of a module that was loaded, by the tools' names. Raises ConfigurationError for what is none."""
    source = reference.partition(":")[0]
    if source.endswith(".py"):
        path = str(Path(source).resolve())
        module = next((one for one in [*modules.values()] if getattr(one, "__file__", None) == path), None)
    else:
        module = modules.get(source)
    return named(getattr(module, NAME, ()), source)


def named(found: Any, source: str) -> dict[str, Proof]:
    """Proofs by the tools' names: from a list of them, or from a mapping of names to proofs or to arguments."""
    if isinstance(found, Mapping):
        given = [one if isinstance(one, Proof) else Proof(str(name), one) for name, one in found.items()]
    elif isinstance(found, Sequence) and all(isinstance(one, Proof) for one in found):
        given = [*found]
    else:
        raise ConfigurationError(
            f'`{NAME}` of {source} is a {type(found).__name__}: write proofs = [Proof("toolset.tool", arguments={{...}})]'
        )
    proofs = {one.tool: one for one in given}
    if len(proofs) < len(given):
        raise ConfigurationError(
            f"`{NAME}` of {source} has two proofs of one tool: {', '.join(one.tool for one in given)}"
        )
    return proofs


class Rows:
    """The rows of a toolset's own tables, all counted together."""

    def __init__(self, url: str, toolset: Toolset) -> None:
        self.url = url
        self.schema = schemas_of(toolset.name)[0]
        self.hop = schemas_of(toolset.name)[1]

    def count(self) -> int:
        """How many there are."""
        with psycopg.connect(self.url) as connection:
            names = [name for (name,) in connection.execute(TABLES, (self.schema,)).fetchall()]
            return sum(self.one(connection, f'SELECT count(*) FROM {self.schema}."{name}"') for name in names)

    def intents(self) -> int:
        """Calls that the tool service has not done with."""
        with psycopg.connect(self.url) as connection:
            return self.one(connection, f"SELECT count(*) FROM {self.hop}.intent")

    @staticmethod
    def one(connection: psycopg.Connection[Any], query: str) -> int:
        """One number."""
        row = connection.execute(query.encode()).fetchone()
        return 0 if row is None else int(row[0])


def counted(proof: Proof, arguments: Mapping[str, Any], effect: str, rows: Rows) -> int | None:
    """How often the world says that such calls happened; None where nothing can be counted."""
    if proof.effects is not None:
        found = proof.effects(arguments)
        if isinstance(found, bool) or not isinstance(found, int):
            raise ConfigurationError(f"`effects` of the proof of {proof.tool} returned {found!r}: it returns a number")
        return found
    return rows.count() if effect == "TRANSACTIONAL" else None


def what_to_write(proof: Proof | None, tool: str, effect: str) -> str:
    """The sentence for an author whose tool cannot be tried, or not be seen."""
    if proof is None:
        return f'no proof: write {NAME} = [Proof("{tool}", arguments={{...}})] into its module'
    if proof.effects is not None:
        return "`effects` counts no more after a call than before it: have it count where the tool acts"
    if effect == "PURE":
        return "a pure tool leaves nothing to count, and may run again: with `effects` it is held to that"
    if effect == "TRANSACTIONAL":
        return "it adds no row to the toolset's own tables: give its proof effects=, a function that counts what it did"
    return "it acts outside of the database: give its proof effects=, a function that counts in the world where it acts"
