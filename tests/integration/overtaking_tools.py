"""Tools whose calls overtake each other: each waits for as long as a seed says, OVERTAKING_SEED, and notes when it ended in a file."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from random import Random

from motet import Context, ToolFailed, Toolset
from motet.tools import TryAgain

tools = Toolset("overtaking", schema="CREATE TABLE IF NOT EXISTS page (book text NOT NULL, number integer NOT NULL)")
never = threading.Event()
LONGEST_SECONDS = 0.04


def wait(context: Context) -> None:
    """For a while of the call's own; then says that it ended."""
    seed = os.environ["OVERTAKING_SEED"]
    never.wait(Random(f"{seed}/{context.plan_id}/{context.call_index}").random() * LONGEST_SECONDS)  # noqa: S311  no secret
    with Path(os.environ["OVERTAKING_LOG"]).open("a") as log:
        log.write(f"{context.plan_id}/{context.call_index}\n")


@tools.tool(effect="pure")
def look(context: Context, place: int) -> dict[str, int | float]:
    """Looks at a place."""
    wait(context)
    return {"place": place, "half": place / 2}


@tools.tool(effect="idempotent", attempts=3, backoff_seconds=0.01)
def send(context: Context, place: int) -> str:
    """Sends; every third one only at the second attempt, and every tenth one not at all."""
    wait(context)
    if place % 10 == 0:
        raise ToolFailed(f"nobody is at {place}", "NOBODY")
    if place % 3 == 0 and context.attempt == 1:
        raise TryAgain("nobody opened")
    return f"sent to {place}"


@tools.tool(effect="transactional", writes="book:{book}")
def turn(context: Context, book: str) -> int:
    """Turns a page of a book and returns its number."""
    rows = context.connection.execute("SELECT count(*) FROM page WHERE book = %s", (book,)).fetchone()
    number = 1 if rows is None else rows[0] + 1
    context.connection.execute("INSERT INTO page (book, number) VALUES (%s, %s)", (book, number))
    return number
