"""Whether a tool's new contract can take the place of the one before, and what changed between two of them.

A published version never changes. A new version takes the place of the newest for everybody who names none, so it must take every argument that
the one before took (a caller knows no better), and its result must be one that the former's readers know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from motet.records import ToolContract
from motet.tools.contract import LATER, Contract
from motet.tools.narrowing import narrowing

Known = Mapping[tuple[str, int], Contract]
State = Literal["same", "new", "changed", "gone"]
# What a digest is made of and no schema says, in the order in which it is told.
TERMS: Final = ("effect", "claims", "timeout_seconds", *LATER)


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a tool. `former` is the version it is compared with; `breaks` are the reasons why it cannot stand in for it, `notes`
    what else changed; `refused` is why a service with it does not start, and what to do.
    """

    name: str
    version: int
    state: State
    former: int | None = None
    breaks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refused: str | None = None

    def fields(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "tool": self.name,
            "version": self.version,
            "state": self.state,
            "former_version": self.former,
            "breaks": list(self.breaks),
            "notes": list(self.notes),
            "refused": self.refused,
        }


def contract_of(record: ToolContract) -> Contract:
    """A published contract, without who published it and when."""
    return Contract(
        *(record.name, record.version, record.toolset, record.description, record.effect),
        *(record.arguments_schema, record.result_schema, record.claims, record.timeout_seconds),
        **{name: getattr(record, name) for name in LATER},
    )


def known(contracts: Iterable[Contract]) -> dict[tuple[str, int], Contract]:
    """Contracts by name and version."""
    return {(one.name, one.version): one for one in contracts}


def changes(now: Known, published: Known, breaking: Iterable[tuple[str, int]] = ()) -> list[Change]:
    """What a service with the contracts `now` changes, by name and version. `breaking` are versions that may break their callers, as their
    author said; tools that are published and not served any more are `gone`.
    """
    allowed = set(breaking)
    out = [change(now[place], published, now, allowed=place in allowed) for place in sorted(now)]
    served = {name.partition(".")[0] for name, _ in now}
    gone = sorted(place for place in published if place not in now and place[0].partition(".")[0] in served)
    out.extend(
        Change(name, version, "gone", notes=(f"a plan that names version {version} ends with NOT_SERVED there",))
        for name, version in gone
    )
    return sorted(out, key=lambda one: (one.name, one.version))


def change(one: Contract, published: Known, now: Known, *, allowed: bool) -> Change:
    """What becomes of one version of a tool."""
    where = one.name, one.version
    same = published.get(where)
    if same is not None:
        if same.sha256 == one.sha256:
            return Change(*where, "same")
        breaks, notes = differences(one, same)
        return Change(
            *(*where, "changed", one.version, tuple(breaks), tuple(notes)),
            f"version {one.version} was published with other content, and a published version never changes: give the tool "
            f"version={newest(one.name, published) + 1}",
        )
    top = newest(one.name, published)
    if top > one.version:
        return Change(
            *(*where, "new", None, (), ()),
            f"version {one.version} was never published and version {top} is: give the tool version={top + 1}",
        )
    # The newest of those below it, wherever it is.
    former = max((v for name, v in (*published, *now) if name == one.name and v < one.version), default=None)
    if former is None:
        return Change(*where, "new")
    breaks, notes = differences(one, published.get((one.name, former)) or now[one.name, former])
    refused = None
    if breaks and not allowed:
        refused = (
            f"version {one.version} cannot take the place of version {former}, which is what callers get who name no version: "
            f"{'; '.join(breaks)}. Make it take what version {former} took, or give it another name, or say breaking=True beside its version "
            "once every caller names the version it wants"
        )
    return Change(*where, "new", former, tuple(breaks), tuple(notes), refused)


def newest(name: str, published: Known) -> int:
    """The highest version of a tool, 0 if there is none."""
    return max((version for one, version in published if one == name), default=0)


def differences(new: Contract, old: Contract) -> tuple[list[str], list[str]]:
    """Why a contract cannot stand in for another, and what else is different."""
    arguments, former = json.loads(new.arguments_schema), json.loads(old.arguments_schema)
    result, read = json.loads(new.result_schema), json.loads(old.result_schema)
    breaks = [
        *(f"argument {advised(reason)}" for reason in narrowing(arguments, former)),
        # Read the other way round: who reads the result knows the former's schema.
        *(f"result: by version {old.version}, as which it is read, {reason}" for reason in narrowing(read, result)),
    ]
    return breaks, list(notes_of(new, old, arguments, former, result != read))


def advised(reason: str) -> str:
    """A reason, with what to do about an argument that nobody gives."""
    return f"{reason}: give it a default" if reason.endswith(("is new", "was optional")) else reason


def notes_of(new: Contract, old: Contract, arguments: Any, former: Any, other_result: bool) -> Iterator[str]:
    """What changed and breaks no caller's call, but may be news to people."""
    now, then = new.fields(), old.fields()
    for name in TERMS:
        before, after = (fields.get(name, LATER.get(name)) for fields in (then, now))
        if before != after:
            yield f"{name}: {json.dumps(before)} is {json.dumps(after)} now"
    if new.effect != old.effect:
        yield "another effect class: what a crash means is different"
    if new.claims != old.claims:
        yield "other resources: calls of the two versions may not see each other in line"
    for name, default in sorted(defaults(arguments).items()):
        if name in properties(former) and defaults(former).get(name, default) != default:
            yield f"argument /{name}: who leaves it out gets {json.dumps(default)} now"
    added = sorted(set(properties(arguments)) - set(properties(former)))
    if added:
        yield f"new arguments: {', '.join(added)}"
    if other_result:
        yield "the result's schema is different"
    if new.description != old.description:
        yield "the description, which models read, is different"


def properties(schema: Any) -> dict[str, Any]:
    """The members of an arguments schema."""
    found = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return {name: one if isinstance(one, dict) else {} for name, one in found.items()}


def defaults(schema: Any) -> dict[str, Any]:
    """Arguments that may be left out, with what they are then."""
    return {name: one["default"] for name, one in properties(schema).items() if "default" in one}
