"""Profiles that two regions write, each without asking the other. PROFILES_REGION says which one this service is."""

import os
from collections.abc import Sequence
from typing import Any

from motet import Context, Toolset
from motet.tools.replicated import Heard, Replicated, Update


def union(tags: Sequence[Any]) -> list[str]:
    """What regions added at once was all meant."""
    return sorted({tag for region in tags for tag in region})


REGION = os.environ.get("PROFILES_REGION", "eu")
profiles = Replicated("profile", REGION, merge=union)
# Nobody can say which of two names is meant: they stay a conflict until somebody writes one.
names = Replicated("name", REGION)
tools = Toolset(f"profiles-{REGION}", schema=profiles.schema + names.schema)


@tools.tool(effect="transactional", writes="profile:{record}")
def put(context: Context, record: str, tags: list[str]) -> list[Update]:
    """Writes a profile's tags here; returns what the other regions have to hear."""
    return profiles.write(context, record, sorted(set(tags)))


@tools.tool(effect="transactional", writes="profile:{record}")
def hear(context: Context, record: str, update: Update) -> Heard:
    """Takes another region's update of a profile's tags."""
    return profiles.hear(context, record, update)


@tools.tool(effect="transactional", writes="profile:{record}")
def rename(context: Context, record: str, name: str) -> list[Update]:
    """Writes a profile's name here."""
    return names.write(context, record, name)


@tools.tool(effect="transactional", writes="profile:{record}")
def hear_name(context: Context, record: str, update: Update) -> Heard:
    """Takes another region's update of a profile's name."""
    return names.hear(context, record, update)
