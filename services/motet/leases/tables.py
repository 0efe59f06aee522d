"""The lease service's rows: open leases, and what each scope has given out."""

from __future__ import annotations

from motet.chassis.canonical import compact
from motet.chassis.service import Opening
from motet.leases.book import Book, Counters
from motet.leases.rows import from_state, to_state


def load(opening: Opening) -> Book:
    """The book of a shard as its rows say."""
    connection, place = opening.connection, (opening.partition,)
    scopes = connection.execute("SELECT tenant, domain, arrivals, tokens FROM scope WHERE partition = %s", place)
    counters = {(tenant, domain): Counters(arrivals, tokens) for tenant, domain, arrivals, tokens in scopes}
    leases = connection.execute("SELECT state FROM open_lease WHERE partition = %s", place)
    return Book.restore((from_state(state) for (state,) in leases), counters)


def save(opening: Opening, book: Book) -> None:
    """Writes what changed since the last time, each kind in one statement; deletes leases that are over."""
    changed, scopes = book.take_changed()
    rows = [[lease_id, to_state(book.leases[lease_id])] for lease_id in changed if lease_id in book.leases]
    over = [lease_id for lease_id in changed if lease_id not in book.leases]
    if rows:
        opening.connection.execute(
            "INSERT INTO open_lease (partition, lease_id, state) SELECT %s, r ->> 0, r ->> 1 "
            "FROM json_array_elements(%s::json) AS r ON CONFLICT (partition, lease_id) DO UPDATE SET state = excluded.state",
            (opening.partition, compact(rows)),
        )
    if over:
        opening.connection.execute(
            "DELETE FROM open_lease WHERE partition = %s AND lease_id = ANY(%s)", (opening.partition, over)
        )
    if scopes:
        counted = [[*scope, book.counters[scope].arrivals, book.counters[scope].tokens] for scope in scopes]
        opening.connection.execute(
            "INSERT INTO scope (partition, tenant, domain, arrivals, tokens) "
            "SELECT %s, r ->> 0, r ->> 1, (r ->> 2)::bigint, (r ->> 3)::bigint FROM json_array_elements(%s::json) AS r "
            "ON CONFLICT (partition, tenant, domain) DO UPDATE SET arrivals = excluded.arrivals, tokens = excluded.tokens",
            (opening.partition, compact(counted)),
        )
