"""A plan as W3C PROV (https://www.w3.org/TR/prov-dm/), written as PROV-JSON (https://www.w3.org/submissions/prov-json/).

Plan, calls and compensations are activities; agents, tool services and people are agents; the command, arguments, results, resources and
records are entities. A resource that a call changed is an entity of its own, a specialization of the resource.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from motet.provenance.story import Run, Story, at

PREFIXES: Final = {"motet": "urn:motet:"}
Document = dict[str, Any]


def document(plan: Story, records: Iterable[Any]) -> Document:
    """The PROV-JSON document of a plan, with the records that told it and what each was caused by."""
    teller = Teller(plan)
    teller.tell_plan()
    for run in plan.in_order():
        teller.tell_run(run)
    for record in sorted(records, key=lambda one: one.meta.hlc):
        teller.tell_record(record)
    teller.tell_people()
    return {"prefix": PREFIXES, **{kind: teller.said[kind] for kind in sorted(teller.said)}}


class Teller:
    """Collects statements by their kind."""

    def __init__(self, plan: Story) -> None:
        self.story = plan
        self.said: Document = {}
        self.plan_name = name("plan", plan.plan_id)
        self.agent = name("agent", plan.admitted.meta.tenant, plan.admitted.agent)

    def thing(self, kind: str, name: str, **attributes: Any) -> str:
        """An entity, activity or agent, once."""
        known = {key: value for key, value in attributes.items() if value is not None}
        self.said.setdefault(kind, {}).setdefault(name, {}).update(known)
        return name

    def relation(self, kind: str, **ends: str) -> None:
        """A relation between two things, once."""
        named = {f"prov:{end}": value for end, value in ends.items()}
        known = self.said.setdefault(kind, {})
        if named not in known.values():
            known[f"_:{kind}{len(known) + 1}"] = named

    def tell_plan(self) -> None:
        """Who asked for what."""
        admitted, ended = self.story.admitted, self.story.ended
        self.thing("agent", self.agent, **{"prov:type": typed("prov:SoftwareAgent"), "prov:label": admitted.agent})
        self.thing(
            "activity",
            self.plan_name,
            **{"prov:type": typed("motet:Plan"), "prov:startTime": at(admitted.meta.recorded_at)},
            **{"prov:endTime": None if ended is None else at(ended.meta.recorded_at)},
            **{"motet:outcome": "OPEN" if ended is None else ended.outcome, "motet:mode": admitted.mode},
            **{"motet:history_sha256": None if ended is None else ended.history_sha256},
        )
        command = self.thing(
            "entity", name("command", admitted.command_sha256), **{"prov:type": typed("motet:Command")}
        )
        self.relation("used", activity=self.plan_name, entity=command)
        self.relation("wasAssociatedWith", activity=self.plan_name, agent=self.agent)

    def tell_run(self, run: Run) -> None:
        """A call, what it used, what came of it, and what it waited for."""
        if run.started is None:
            return
        call = self.run_name(run)
        self.thing(
            "activity",
            call,
            **{"prov:type": typed("motet:Compensation" if run.undoes else "motet:Call"), "prov:label": run.tool},
            **{"prov:startTime": at(run.started), "prov:endTime": None if run.ended is None else at(run.ended)},
            **{
                "motet:outcome": run.outcome,
                "motet:contract_version": run.contract_version,
                "motet:key": run.key or None,
            },
            **{"motet:error": run.error},
        )
        service = self.thing(
            "agent", name("tools", run.tool.partition(".")[0]), **{"prov:type": typed("prov:SoftwareAgent")}
        )
        self.relation("wasAssociatedWith", activity=call, agent=service)
        self.relation("actedOnBehalfOf", delegate=service, responsible=self.agent)
        self.relation("wasInformedBy", informed=call, informant=self.plan_name)
        arguments = self.thing(
            "entity", name("arguments", run.arguments_sha256), **{"prov:type": typed("motet:Arguments")}
        )
        self.relation("used", activity=call, entity=arguments)
        for index in (*run.after, *run.takes, *((run.index,) if run.undoes else ())):
            self.relation("wasInformedBy", informed=call, informant=self.run_name(self.story.runs[index, False]))
        for index in run.takes:
            self.relation(
                "wasDerivedFrom", generatedEntity=arguments, usedEntity=self.result_name(self.story.runs[index, False])
            )
        for resource in run.resources(read=True):
            self.relation("used", activity=call, entity=self.resource(resource))
        if run.acted:
            self.tell_effect(run, call)

    def tell_effect(self, run: Run, call: str) -> None:
        """What a call that succeeded made and changed."""
        if run.result_sha256 is not None:
            result = self.thing(
                "entity",
                self.result_name(run),
                **{"prov:type": typed("motet:Result"), "motet:sha256": run.result_sha256},
            )
            self.relation("wasGeneratedBy", entity=result, activity=call)
        for resource in run.resources(read=False):
            changed = self.thing(
                "entity", name("changed", self.story.plan_id, run.name, resource), **{"prov:label": resource}
            )
            self.relation("wasGeneratedBy", entity=changed, activity=call)
            self.relation("specializationOf", specificEntity=changed, generalEntity=self.resource(resource))

    def tell_record(self, record: Any) -> None:
        """A record of the log, and what caused it."""
        meta = record.meta
        kind = record.FULL_NAME.rpartition(".")[2]
        effect = self.thing(
            "entity", name("record", meta.event_id), **{"prov:type": typed(f"motet:{kind}"), "motet:hlc": str(meta.hlc)}
        )
        if meta.causation_id:
            cause = self.thing("entity", name("record", meta.causation_id))
            self.relation("wasDerivedFrom", generatedEntity=effect, usedEntity=cause)

    def tell_people(self) -> None:
        """Who approved, denied or settled."""
        for one in self.story.people:
            if one.agent:
                who = self.thing("agent", name("person", one.meta.tenant, one.agent), **{"prov:label": one.agent})
                self.relation("wasAttributedTo", entity=name("record", one.meta.event_id), agent=who)

    def run_name(self, run: Run) -> str:
        """The name of a call's activity."""
        return name("call", self.story.plan_id, run.name)

    def result_name(self, run: Run) -> str:
        """The name of a call's result."""
        return name("result", self.story.plan_id, run.name)

    def resource(self, resource: str) -> str:
        """A resource, whatever state it is in."""
        meta = self.story.admitted.meta
        return self.thing(
            "entity",
            name("resource", meta.tenant, meta.domain, resource),
            **{"prov:type": typed("motet:Resource"), "prov:label": resource},
        )


def name(*parts: str) -> str:
    """A qualified name: parts that have no sign in them that a name must not have."""
    return "motet:" + "/".join(quote(part, safe="") for part in parts)


def typed(qualified: str) -> Document:
    """A type as PROV-JSON writes it."""
    return {"$": qualified, "type": "prov:QUALIFIED_NAME"}
