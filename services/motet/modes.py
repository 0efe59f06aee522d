"""Who hosts a plan, read from its id alone: the one service that answers commands about it, and takes its results.

A plan is hosted by the coordinator, or by the agents' service (`CHOREOGRAPHED`, `HYBRID`). Everybody must know which without asking: the
client that cancels, the tool service that reports. So the id of a plan that the agents' service hosts ends with a letter.
"""

from __future__ import annotations

from typing import Final

from motet.records import Command, Mode, RepairDeadLetter, SubmitPlan

COORDINATOR: Final = "coordinator"
AGENTS: Final = "agents"
# Hex digits have no dash. A plan that the coordinator hosts is named as it always was.
MARKS: Final[dict[Mode, str]] = {"CHOREOGRAPHED": "-c", "HYBRID": "-h"}
MARKED: Final = {mark: mode for mode, mark in MARKS.items()}
RESULTS: Final = {COORDINATOR: "motet.results", AGENTS: "motet.results.agents"}


def named(digest: str, mode: Mode) -> str:
    """A plan's id, 32 characters: a digest of its command and the mark of its mode."""
    mark = MARKS.get(mode, "")
    return digest[: 32 - len(mark)] + mark


def mode_of(plan_id: str) -> Mode:
    """The mode of a plan."""
    return MARKED.get(plan_id[-2:], "ORCHESTRATED")


def host_of(plan_id: str) -> str:
    """The service that hosts a plan."""
    return AGENTS if plan_id[-2:] in MARKED else COORDINATOR


def answers(command: Command | None) -> str:
    """The one service that answers a command; None stands for a record that cannot be read."""
    if isinstance(command, SubmitPlan):
        return AGENTS if command.mode in MARKS else COORDINATOR
    if isinstance(command, RepairDeadLetter):
        return AGENTS if command.service == AGENTS else COORDINATOR
    return host_of(getattr(command, "plan_id", ""))


def results_of(plan_id: str) -> str:
    """The topic on which a plan's host waits for the ends of its calls."""
    return RESULTS[host_of(plan_id)]
