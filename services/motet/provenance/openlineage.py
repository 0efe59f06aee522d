"""A plan as OpenLineage run events (https://openlineage.io/spec/2-0-2/OpenLineage.json): the plan is a run, each call a run below it.

Resources are datasets: what a call reads is an input, what it changes an output. Ids of runs are UUIDs of version 5, derived from the plan's
id, so that the same plan gives the same events.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from motet.provenance.story import Run, Story, at

SPEC: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
PARENT: Final = "https://openlineage.io/spec/facets/1-0-1/ParentRunFacet.json#/$defs/ParentRunFacet"
ERROR: Final = "https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet"
# OpenLineage knows three ends: done, failed, and stopped before its end.
ENDS: Final = {
    **dict.fromkeys(("SUCCEEDED",), "COMPLETE"),
    **dict.fromkeys(("CANCELLED", "SKIPPED", "COMPENSATED"), "ABORT"),
    **dict.fromkeys(("FAILED", "IN_DOUBT", "COMPENSATION_FAILED"), "FAIL"),
}

Event = dict[str, Any]


def events(plan: Story, producer: str) -> list[Event]:
    """The run events of a plan, in the order of their times. `producer` is a URI that names who says so."""
    head = Teller(plan, producer)
    told = [head.plan("START", plan.admitted.meta.recorded_at)]
    for run in plan.in_order():
        if run.started is not None:
            told.append(head.run(run, "START", run.started))
            if run.ended is not None:
                told.append(head.run(run, ENDS[run.outcome], run.ended))
    if plan.ended is not None:
        told.append(head.plan(ENDS[plan.ended.outcome], plan.ended.meta.recorded_at))
    # Stable: at equal times the plan begins before its calls and ends after them. What is undone later ends later.
    return sorted(told, key=lambda one: one["eventTime"])


class Teller:
    """Tells of one plan."""

    def __init__(self, plan: Story, producer: str) -> None:
        self.story, self.producer = plan, producer
        meta = plan.admitted.meta
        self.namespace = f"motet://{meta.tenant}/{meta.domain}"
        self.job = {"namespace": self.namespace, "name": f"agent.{plan.admitted.agent}"}

    def run_id(self, name: str) -> str:
        """The id of a run."""
        return str(uuid5(NAMESPACE_URL, f"urn:motet:plan:{self.story.plan_id}{name}"))

    def facet(self, schema: str, **fields: Any) -> Event:
        """A facet says who made it, and by which schema."""
        return {"_producer": self.producer, "_schemaURL": schema, **fields}

    def event(self, kind: str, when: int, run: Event, job: Event, resources: tuple[list[str], list[str]]) -> Event:
        """A run event."""
        inputs, outputs = ([{"namespace": self.namespace, "name": name} for name in names] for names in resources)
        return {
            "eventType": kind,
            "eventTime": at(when),
            "producer": self.producer,
            "schemaURL": f"{SPEC}RunEvent",
            "run": run,
            "job": job,
            "inputs": inputs,
            "outputs": outputs,
        }

    def plan(self, kind: str, when: int) -> Event:
        """The plan begins or ends."""
        ended = self.story.ended
        about = {"plan_id": self.story.plan_id, "command_sha256": self.story.admitted.command_sha256}
        if kind != "START" and ended is not None:
            about |= {"outcome": ended.outcome, "history_sha256": ended.history_sha256, "event_id": ended.meta.event_id}
        facets = {"motet_plan": self.facet(f"{SPEC}RunFacet", **about)}
        return self.event(kind, when, {"runId": self.run_id(""), "facets": facets}, self.job, ([], []))

    def run(self, run: Run, kind: str, when: int) -> Event:
        """A call begins or ends; what it changed is only told where it did."""
        about = {
            "index": run.index,
            "call_id": run.call_id,
            "contract_version": run.contract_version,
            "undoes": run.undoes,
        }
        about |= {"arguments_sha256": run.arguments_sha256, "key": run.key, "result_sha256": run.result_sha256}
        facets = {
            "parent": self.facet(PARENT, run={"runId": self.run_id("")}, job=self.job),
            "motet_call": self.facet(
                f"{SPEC}RunFacet", **{name: value for name, value in about.items() if value is not None}
            ),
        }
        if kind == "FAIL" and run.error is not None:
            facets["errorMessage"] = self.facet(ERROR, message=run.error, programmingLanguage="python")
        resources = (run.resources(read=True), run.resources(read=False) if kind == "START" or run.acted else [])
        of_call = {"runId": self.run_id(f"/{run.name}"), "facets": facets}
        return self.event(kind, when, of_call, {"namespace": self.namespace, "name": run.tool}, resources)
