"""The rows of an agent's shard: conversations, and whose each open plan is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from motet.agency.conversation import Conversation
from motet.chassis.canonical import compact
from motet.chassis.service import Opening

Place = tuple[str, str, str]


@dataclass(slots=True)
class Known:
    """What a message's key stands for: the event that answered it. `answered_at` is in milliseconds since 1970."""

    command_sha256: str
    event_id: str
    answered_at: int | None = None


class Conversations:
    """The conversations that a batch touches, read in two queries and written in two."""

    def __init__(self, opening: Opening) -> None:
        self.connection = opening.connection
        self.partition = opening.partition
        self.there: dict[Place, Conversation] = {}
        # Whose the open plans are that the batch tells of, or that began in it.
        self.asked: dict[str, Place] = {}
        self.changed: set[Place] = set()
        self.new: dict[str, Place] = {}
        self.over: set[str] = set()

    def load(self, places: Iterable[Place], plans: Iterable[str]) -> None:
        """Reads what a batch is about."""
        for kept in (self.there, self.asked, self.changed, self.new, self.over):
            kept.clear()
        wanted = sorted(set(plans))
        if wanted:
            rows = self.connection.execute(
                "SELECT plan_id, tenant, domain, conversation FROM asked WHERE partition = %s AND plan_id = ANY(%s)",
                (self.partition, wanted),
            )
            self.asked.update((plan_id, (tenant, domain, name)) for plan_id, tenant, domain, name in rows)
        found = sorted({*places, *self.asked.values()})
        if found:
            rows = self.connection.execute(
                "SELECT c.tenant, c.domain, c.conversation, c.state FROM conversation AS c JOIN unnest(%s::text[], %s::text[], %s::text[]) "
                "AS w (tenant, domain, conversation) USING (tenant, domain, conversation) WHERE c.partition = %s",
                (*map(list, zip(*found, strict=True)), self.partition),
            )
            for one in rows:
                made = Conversation.of_row(*one)
                self.there[made.place] = made

    def find(self, place: Place) -> Conversation | None:
        """A conversation, if there is one."""
        return self.there.get(place)

    def of_plan(self, plan_id: str) -> Conversation | None:
        """The conversation that waits for a plan; None if none does."""
        place = self.asked.get(plan_id)
        return None if place is None else self.there.get(place)

    def put(self, conversation: Conversation) -> None:
        """Keeps a conversation, new or changed."""
        self.there[conversation.place] = conversation
        self.changed.add(conversation.place)

    def ask(self, plan_id: str, conversation: Conversation) -> None:
        """A plan is open."""
        self.asked[plan_id] = self.new[plan_id] = conversation.place
        self.over.discard(plan_id)

    def end(self, plan_ids: Iterable[str]) -> None:
        """Nobody waits for these plans any more."""
        for plan_id in plan_ids:
            self.asked.pop(plan_id, None)
            self.new.pop(plan_id, None)
            self.over.add(plan_id)

    def save(self) -> None:
        """Writes what changed."""
        if self.over:
            self.connection.execute(
                "DELETE FROM asked WHERE partition = %s AND plan_id = ANY(%s)", (self.partition, sorted(self.over))
            )
        if self.new:
            self.connection.execute(
                "INSERT INTO asked (partition, plan_id, tenant, domain, conversation) "
                "SELECT %s, r ->> 0, r ->> 1, r ->> 2, r ->> 3 FROM json_array_elements(%s::json) AS r ON CONFLICT DO NOTHING",
                (self.partition, compact([[plan_id, *place] for plan_id, place in sorted(self.new.items())])),
            )
        if self.changed:
            found = [self.there[place] for place in sorted(self.changed)]
            rows = [[*one.place, one.row(), one.due_at if one.outcome == "GOES_ON" else None] for one in found]
            self.connection.execute(
                "INSERT INTO conversation (partition, tenant, domain, conversation, state, due_at) "
                "SELECT %s, r ->> 0, r ->> 1, r ->> 2, r ->> 3, (r ->> 4)::bigint FROM json_array_elements(%s::json) AS r "
                "ON CONFLICT (partition, tenant, domain, conversation) DO UPDATE SET state = excluded.state, due_at = excluded.due_at",
                (self.partition, compact(rows)),
            )

    def due(self, until: int, known: Iterable[Place], most: int) -> list[tuple[Place, int]]:
        """Conversations whose time is over at a time, the first ones, without those that are known."""
        rows = self.connection.execute(
            "SELECT tenant, domain, conversation, due_at FROM conversation WHERE partition = %s AND due_at <= %s ORDER BY due_at LIMIT %s",
            (self.partition, until, most),
        )
        there = set(known)
        return [(place, at) for *names, at in rows if (place := (names[0], names[1], names[2])) not in there]
