"""The course of one run: services, world and judge, and every action that a scheduler can choose, one at a time.

An action is a pair of a word and a number, and one that cannot be done now is passed over: so any list of actions is a run, and a list from
which some are taken away is another one. That is what makes a failure shrink.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from motet.modes import AGENTS, COORDINATOR, host_of
from motet.simulation.host import Host
from motet.simulation.inputs import Asked, Mix
from motet.simulation.judge import Judge
from motet.simulation.lanes import ALL, Lane
from motet.simulation.lease_service import LeaseService
from motet.simulation.oracle import compare
from motet.simulation.people import People
from motet.simulation.plan_host import PlanHost
from motet.simulation.rest import nothing_left
from motet.simulation.shard import Shard
from motet.simulation.telling import described, shown
from motet.simulation.tools import TOOLSETS
from motet.simulation.violations import Violation
from motet.simulation.world import World

Action = tuple[str, int]
START: Final = 1_000_000
HOUR: Final = 3_600_000
TWO_DAYS: Final = 48 * HOUR
# Nothing that ends needs so many steps to calm down.
STEPS: Final = 50_000
JUMPS: Final = (HOUR, -HOUR, TWO_DAYS, -TWO_DAYS)
# What the services do, by their order in a course.
DECIDING: Final = ("decide", "agents_decide", "leases_decide")
NAMES: Final = ("coordinator", "agents' service", "lease service")


class Course:
    """A run as it goes. `story` collects what happens, for a person, if it is wanted."""

    def __init__(
        self,
        asked: Sequence[Asked],
        mix: Mix,
        *,
        careful: bool = False,
        keeps: bool = False,
        twin: bool = False,
        tells: bool = False,
    ) -> None:
        self.asked = asked
        self.world = World()
        self.judge = Judge(self.world)
        self.coordinator = PlanHost(self.judge, COORDINATOR, careful=careful, keeps=keeps, twin=twin)
        self.plan_hosts: tuple[PlanHost, ...] = (self.coordinator,)
        if mix.special:
            agents = PlanHost(self.judge, AGENTS, careful=careful, keeps=keeps, twin=twin)
            agents.talks_to(self.coordinator)
            self.plan_hosts = self.coordinator, agents
        self.leases = LeaseService(self.judge, self.plan_hosts) if mix.leases else None
        self.services: tuple[Shard, ...] = self.plan_hosts
        if self.leases is not None:
            self.services = (*self.plan_hosts, self.leases)
        self.bank, self.post = (Host(name, self.plan_hosts, self.judge, self.world) for name in TOOLSETS)
        self.hosts = {host.toolset: host for host in (self.bank, self.post)}
        self.people = People(self.judge, self.plan_hosts, self.hosts.values())
        self.next_asked = 0
        # The broker's clock, and how far the coordinator's machine is beyond it.
        self.now = START
        self.skew = 0
        self.deliveries = 0
        self.faults = 0
        self.answered: dict[str, int] = {}
        self.story: list[str] | None = [] if tells else None
        self.steps = 0

    # -- actions -----------------------------------------------------------------------------------------------------------

    def do(self, action: Action) -> bool:
        """Does an action if it can be done now."""
        self.steps += 1
        self.now += 1
        word, number = action
        try:
            done: bool = getattr(self, word)(number)
        except Violation:
            self.tell(f"it goes wrong here: {word.replace('_', ' ')}")
            raise
        return done

    def submit(self, count: int) -> bool:
        """The next commands come to the door."""
        end = min(len(self.asked), self.next_asked + count)
        for one in self.asked[self.next_asked : end]:
            self.door_of(one).records.append(one)
            if self.story is not None:
                self.tell(f"{described(one)} comes to the door")
        for host in self.plan_hosts:
            host.door.publish()
        done = end > self.next_asked
        self.next_asked = end
        return done

    def door_of(self, asked: Asked) -> Lane:
        """Where a command is answered: by its plan's host."""
        if len(self.plan_hosts) == 1:
            return self.coordinator.door
        plan_id = getattr(asked.command, "plan_id", "") if asked.template is None else asked.template.plan_id
        return next(host for host in self.plan_hosts if host.name == host_of(plan_id)).door

    def decide(self, code: int) -> bool:
        """The coordinator takes records of an input: the lane in the units, how many in the tens."""
        return self.takes(0, code)

    def agents_decide(self, code: int) -> bool:
        """The agents' service does."""
        return self.takes(1, code)

    def leases_decide(self, code: int) -> bool:
        """The lease service does."""
        return self.takes(2, code)

    def takes(self, place: int, code: int) -> bool:
        """One of them has a hop."""
        services = self.services
        if place >= len(services) or code % 10 >= len(services[place].inputs):
            return False
        lane = services[place].inputs[code % 10]
        if not lane.behind:
            return False
        took = services[place].take(lane, code // 10, self.now)
        self.deliveries += took
        if self.story is not None:
            self.tell(f"{NAMES[place]} takes {took} of {lane.name}{self.which(lane, took)}")
        return True

    def bank_takes(self, code: int) -> bool:
        """The bank's host has a hop."""
        return self.host_takes(self.bank, code)

    def post_takes(self, code: int) -> bool:
        """The post's host has a hop."""
        return self.host_takes(self.post, code)

    def host_takes(self, host: Host, code: int) -> bool:
        """A host publishes what ended and takes invocations: how many, and in the hundreds from which lane; 0 is from all."""
        lanes, limit = host.inboxes, code % 100
        if code > limit and len(lanes) > 1:
            lanes = (lanes[code // 100 % len(lanes)],)
        if not host.behind and not host.ended:
            return False
        ended, before = len(host.ended), [lane.taken for lane in host.inboxes]
        took = host.take(limit, self.now, lanes)
        self.deliveries += took
        if self.story is not None:
            which = "".join(
                self.which(lane, lane.taken - taken) for lane, taken in zip(host.inboxes, before, strict=True)
            )
            self.tell(f"host {host.toolset} takes {took} invocations, reports {ended} ends{which}")
        return True

    def run(self, code: int) -> bool:
        """A call that runs outside a transaction acts: the host in the units, which one beyond."""
        host = self.post if code % 10 else self.bank
        if not host.running:
            return False
        plan_id, end = host.run_outside(code // 10 % len(host.running))
        if self.story is not None:
            self.tell(f"host {host.toolset} runs call {end.index} of plan {plan_id}: {end.outcome}")
        return True

    def run_all(self, code: int) -> bool:
        """All calls that run outside a transaction act, one after the other: the host in the units, the first one beyond."""
        host = self.post if code % 10 else self.bank
        if not host.running:
            return False
        while host.running:
            self.run(code)
        return True

    def come_back(self, code: int) -> bool:
        """An attempt that was given up comes back: the host in the units, which one beyond."""
        host = self.post if code % 10 else self.bank
        if not host.late:
            return False
        plan_id, end = host.come_back(code // 10 % len(host.late))
        if self.story is not None:
            self.tell(
                f"host {host.toolset}: call {end.index} of plan {plan_id}, which was given up, comes back: {end.outcome}"
            )
        return True

    def look(self, _: int) -> bool:
        """An outsider reads the events."""
        found = [event for host in self.plan_hosts if host.events.behind for event in host.events.take(ALL)]
        if not found:
            return False
        watches, answered = self.judge.watches, self.answered
        for kind, what, _more in found:
            if kind == "ended":
                watches[what].terminal += 1
            else:
                answered[kind] = answered.get(kind, 0) + 1
                if kind in ("rejected", "refused") and not _more:
                    raise Violation("P1", f"{described(what)} was {kind}, and the event does not say why")
        return True

    # -- time --------------------------------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        """When the first thing is due that somebody waits for."""
        if len(self.services) == 1:
            return self.coordinator.schedule.alarms.next()
        found = [host.schedule.alarms.next() for host in self.plan_hosts]
        if self.leases is not None:
            found.append(self.leases.next_due())
        return min((at for at in found if at is not None), default=None)

    @property
    def open_plans(self) -> int:
        """How many plans have not ended."""
        count = 0
        for host in self.plan_hosts:
            count += len(host.schedule.plans)
        return count

    def fire(self, _: int) -> bool:
        """The services' machines say that timers are due; whether anything is, the log's time decides."""
        fired = sum(one.fire(self.now + self.skew) for one in self.services)
        if fired and self.story is not None:
            self.tell(f"{fired} timers fire")
        return fired > 0

    def tick(self, _: int) -> bool:
        """Time passes until something is due, and the timers fire."""
        due = self.next_due()
        if due is None:
            return False
        if due > self.now:
            if self.story is not None:
                self.tell(f"{(due - self.now) / 1_000:g} s pass")
            self.now = due
        # Whatever the machine's clock says: it goes on by ticks.
        for one in self.services:
            one.fire(self.now)
        return True

    def jump(self, which: int) -> bool:
        """The clock of the broker's machine jumps."""
        self.faults += 1
        far = JUMPS[which % len(JUMPS)]
        self.now = max(START, self.now + far)
        if self.story is not None:
            self.tell(f"the broker's clock jumps by {far / HOUR:g} h")
        return True

    def lean(self, which: int) -> bool:
        """The clock of the services' machine is wrong from here on."""
        self.faults += 1
        self.skew = JUMPS[which % len(JUMPS)]
        if self.story is not None:
            self.tell(f"the services' clock is wrong by {self.skew / HOUR:g} h")
        return True

    # -- faults ------------------------------------------------------------------------------------------------------------

    def lose(self, code: int) -> bool:
        """A service dies in a hop, before its commit: which in the hundreds, the lane in the units, how much it takes in the tens."""
        service, name, lane = self.some_input(code)
        if lane is None:
            return False
        self.faults += 1
        took = service.lose_hop(lane, code // 10 % 10, self.now)
        if self.story is not None:
            self.tell(f"{name} dies before it commits {took} of {lane.name}, and is started again")
        return True

    def die(self, code: int) -> bool:
        """A service dies in a hop, behind its commit."""
        service, name, lane = self.some_input(code)
        if lane is None:
            return False
        self.faults += 1
        took = service.die_committed(lane, code // 10 % 10, self.now, code % 4)
        self.deliveries += took
        if self.story is not None:
            which = self.which(lane, took)
            self.tell(f"{name} dies after it committed {took} of {lane.name}{which}, and publishes again")
        return True

    def some_input(self, code: int) -> tuple[Shard, str, Lane | None]:
        """A service, and an input of it on which something waits: the one in the units, or the next one behind it."""
        number = code // 100 % len(self.services)
        service = self.services[number]
        inputs = service.inputs
        for place in range(len(inputs)):
            lane = inputs[(code + place) % len(inputs)]
            if lane.behind:
                return service, NAMES[number], lane
        return service, NAMES[number], None

    def restart(self, code: int) -> bool:
        """A service dies between two hops."""
        self.faults += 1
        number, again = code // 100 % len(self.services), code % 4
        self.services[number].restart(again)
        if self.story is not None:
            self.tell(
                f"{NAMES[number]} dies and is started again; it publishes its last {again} records of each lane again"
            )
        return True

    def crash(self, code: int) -> bool:
        """A host dies: the host in the units, how much it publishes again beyond."""
        self.faults += 1
        host = self.post if code % 10 else self.bank
        if self.story is not None:
            lost = [f"call {end.index} of plan {plan_id}" for plan_id, end in host.ended]
            self.tell(
                f"host {host.toolset} dies; what it had not committed is lost{': ' if lost else ''}{', '.join(lost)}"
            )
        host.crash(code // 10 % 10)
        return True

    def give_up(self, code: int) -> bool:
        """A host gives up an attempt that takes too long: the host in the units, which one beyond."""
        host = self.post if self.post.running and code % 10 else self.bank
        if not host.running:
            return False
        self.faults += 1
        plan_id, end = host.give_up(code // 10 % len(host.running))
        if self.story is not None:
            self.tell(f"host {host.toolset} gives up call {end.index} of plan {plan_id}")
        return True

    def repeat(self, code: int) -> bool:
        """Records are produced again: the lane in the units, how many beyond."""
        self.faults += 1
        service = self.services[code // 100 % len(self.services)]
        lanes = (*service.outputs, *(service.results.values() if isinstance(service, PlanHost) else ()))
        lane, again = lanes[code % 10 % len(lanes)], code // 10 % 10
        lane.publish_again(again)
        if self.story is not None:
            self.tell(f"the last {again} records of {lane.name} are produced again")
        return True

    # -- people ------------------------------------------------------------------------------------------------------------

    def help(self, _: int) -> bool:
        """A person looks at the first thing that somebody is asked about, and sends a command."""
        command = self.people.command()
        if command is None:
            return False
        asked = Asked("person", None, command)
        door = self.door_of(asked)
        door.commit(asked)
        door.publish()
        if self.story is not None:
            self.tell(f"a person sends {type(command).__name__} about plan {command.plan_id}")
        return True

    # -- the end -----------------------------------------------------------------------------------------------------------

    def calm_down(self) -> None:
        """Everything that can happen happens, in order, without another fault, until nothing is left."""
        while not self.finished():
            if self.steps > STEPS:
                raise Violation("P1", f"after {self.steps} steps {self.left()} are still open")
            if not any(self.do(action) for action in CALM):
                raise Violation("P1", f"nothing can happen any more, and {self.left()} are still open")
        self.close()

    def finished(self) -> bool:
        """Whether everything was asked and nothing is open."""
        return (
            self.next_asked == len(self.asked)
            and not self.open_plans
            and not any(lane.behind for one in self.services for lane in one.inputs)
            and all(not (host.running or host.late or host.ended or host.behind) for host in self.hosts.values())
        )

    def left(self) -> str:
        """The plans that are open, by name."""
        return ", ".join([plan_id for host in self.plan_hosts for plan_id in host.schedule.plans][:5]) or "records"

    def close(self) -> None:
        """The model's last word."""
        self.look(0)
        nothing_left(self.plan_hosts, self.leases)
        self.judge.close()
        compare(self.world, self.judge)

    # -- the story ---------------------------------------------------------------------------------------------------------

    def tell(self, line: str) -> None:
        """One line of the story."""
        if self.story is not None:
            self.story.append(f"step {self.steps}: {line}")

    def which(self, lane: Any, took: int) -> str:
        """What a service took, for the story."""
        records: Iterable[Any] = lane.records[lane.taken - took : lane.taken] if took else ()
        return f" ({', '.join(shown(one) for one in records)})" if took else ""


CALM: Final[tuple[Action, ...]] = (
    *(
        ("submit", 1),
        *(("decide", lane) for lane in range(10, 16)),
        *(("agents_decide", lane) for lane in range(10, 16)),
        *(("leases_decide", lane) for lane in range(10, 13)),
        ("bank_takes", 1),
        ("post_takes", 1),
    ),
    *(("run", 0), ("run", 1), ("come_back", 0), ("come_back", 1), ("look", 0), ("help", 0), ("tick", 0)),
)
