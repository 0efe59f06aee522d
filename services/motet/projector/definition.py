"""How tables of the SQL surface are written down: names, types, meanings. The DDL and the writes follow from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `type` is PostgreSQL's, with constraints."""

    name: str
    type: str
    comment: str

    @property
    def plain_type(self) -> str:
        """The type alone."""
        return self.type.partition(" ")[0]


@dataclass(frozen=True, slots=True)
class Table:
    """A table. Rows of a `tenant` are seen by that tenant; a table without a tenant is for everybody."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[str, ...] = ()
    has_tenant: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True, slots=True)
class View:
    """A view; `{schema}` in its query stands for the schema that it is made in."""

    name: str
    comment: str
    query: str
    columns: dict[str, str]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the surface, with the rows that it returns; `{schema}` in its query as in a view's. Who calls it sees what it may see."""

    name: str
    comment: str
    arguments: str
    columns: tuple[Column, ...]
    query: str


def columns(*lines: tuple[str, str, str]) -> tuple[Column, ...]:
    """Columns from name, type and comment."""
    return tuple(Column(*line) for line in lines)


TENANT: Final = ("tenant", "text NOT NULL", "Whose it is.")
DOMAIN: Final = ("domain", "text NOT NULL", "The unit of total order within the tenant.")
