"""The course of one run: services, world and judge, and every action that a scheduler can choose, one at a time.

An action is a pair of a word and a number, and one that cannot be done now is passed over: so any list of actions is a run, and a list from
which some are taken away is another one. That is what makes a failure shrink.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from motet.simulation.coordinator import Coordinator
from motet.simulation.host import Host
from motet.simulation.inputs import Asked
from motet.simulation.judge import Judge
from motet.simulation.lanes import ALL, Lane
from motet.simulation.oracle import compare
from motet.simulation.people import People
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


class Course:
    """A run as it goes. `story` collects what happens, for a person, if it is wanted."""

    def __init__(
        self,
        asked: Sequence[Asked],
        *,
        careful: bool = False,
        keeps: bool = False,
        twin: bool = False,
        tells: bool = False,
    ) -> None:
        self.asked = asked
        self.world = World()
        self.judge = Judge(self.world)
        self.coordinator = Coordinator(self.judge, careful=careful, keeps=keeps, twin=twin)
        self.bank, self.post = (Host(name, self.coordinator, self.judge, self.world) for name in TOOLSETS)
        self.hosts = {host.toolset: host for host in (self.bank, self.post)}
        self.people = People(self.judge, self.coordinator, self.hosts.values())
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
        door = self.coordinator.door
        for one in self.asked[self.next_asked : end]:
            door.records.append(one)
            if self.story is not None:
                self.tell(f"{described(one)} comes to the door")
        door.publish()
        done = end > self.next_asked
        self.next_asked = end
        return done

    def decide(self, code: int) -> bool:
        """The coordinator takes records of an input: the lane in the units, how many in the tens."""
        coordinator = self.coordinator
        lane = coordinator.inputs[code % 10]
        if not lane.behind:
            return False
        took = coordinator.take(lane, code // 10, self.now)
        self.deliveries += took
        if self.story is not None:
            self.tell(f"coordinator takes {took} of {lane.name}{self.which(lane, took)}")
        return True

    def bank_takes(self, limit: int) -> bool:
        """The bank's host has a hop."""
        return self.host_takes(self.bank, limit)

    def post_takes(self, limit: int) -> bool:
        """The post's host has a hop."""
        return self.host_takes(self.post, limit)

    def host_takes(self, host: Host, limit: int) -> bool:
        """A host publishes what ended and takes invocations."""
        lane = host.inbox
        if not lane.behind and not host.ended:
            return False
        ended = len(host.ended)
        took = host.take(limit, self.now)
        self.deliveries += took
        if self.story is not None:
            self.tell(f"host {host.toolset} takes {took} invocations, reports {ended} ends{self.which(lane, took)}")
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
        events = self.coordinator.events
        if not events.behind:
            return False
        watches, answered = self.judge.watches, self.answered
        for kind, what, _more in events.take(ALL):
            if kind == "ended":
                watches[what].terminal += 1
            else:
                answered[kind] = answered.get(kind, 0) + 1
                if kind in ("rejected", "refused") and not _more:
                    raise Violation("P1", f"{described(what)} was {kind}, and the event does not say why")
        return True

    # -- time --------------------------------------------------------------------------------------------------------------

    def fire(self, _: int) -> bool:
        """The coordinator's machine says that timers are due; whether anything is, the log's time decides."""
        fired = self.coordinator.fire(self.now + self.skew)
        if fired and self.story is not None:
            self.tell(f"{fired} timers fire")
        return fired > 0

    def tick(self, _: int) -> bool:
        """Time passes until something is due, and the timers fire."""
        due = self.coordinator.schedule.alarms.next()
        if due is None:
            return False
        if due > self.now:
            if self.story is not None:
                self.tell(f"{(due - self.now) / 1_000:g} s pass")
            self.now = due
        self.skew = 0
        self.fire(0)
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
        """The clock of the coordinator's machine is wrong from here on."""
        self.faults += 1
        self.skew = JUMPS[which % len(JUMPS)]
        if self.story is not None:
            self.tell(f"the coordinator's clock is wrong by {self.skew / HOUR:g} h")
        return True

    # -- faults ------------------------------------------------------------------------------------------------------------

    def lose(self, code: int) -> bool:
        """The coordinator dies in a hop, before its commit."""
        lane = self.some_input(code)
        if lane is None:
            return False
        self.faults += 1
        took = self.coordinator.lose_hop(lane, code // 10, self.now)
        if self.story is not None:
            self.tell(f"coordinator dies before it commits {took} of {lane.name}, and is started again")
        return True

    def die(self, code: int) -> bool:
        """The coordinator dies in a hop, behind its commit."""
        lane = self.some_input(code)
        if lane is None:
            return False
        self.faults += 1
        took = self.coordinator.die_committed(lane, code // 10, self.now, code % 4)
        self.deliveries += took
        if self.story is not None:
            which = self.which(lane, took)
            self.tell(f"coordinator dies after it committed {took} of {lane.name}{which}, and publishes again")
        return True

    def some_input(self, code: int) -> Lane | None:
        """An input of the coordinator on which something waits: the one in the units, or the next one behind it."""
        inputs = self.coordinator.inputs
        for place in range(len(inputs)):
            lane = inputs[(code + place) % len(inputs)]
            if lane.behind:
                return lane
        return None

    def restart(self, again: int) -> bool:
        """The coordinator dies between two hops."""
        self.faults += 1
        again = again % 4
        self.coordinator.restart(again)
        if self.story is not None:
            self.tell(
                f"coordinator dies and is started again; it publishes its last {again} records of each lane again"
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
        host.crash(code // 10)
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
        lanes = (*self.coordinator.outputs, *self.coordinator.results.values())
        lane = lanes[code % 10 % len(lanes)]
        lane.publish_again(code // 10)
        if self.story is not None:
            self.tell(f"the last {code // 10} records of {lane.name} are produced again")
        return True

    # -- people ------------------------------------------------------------------------------------------------------------

    def help(self, _: int) -> bool:
        """A person looks at the first thing that somebody is asked about, and sends a command."""
        command = self.people.command()
        if command is None:
            return False
        door = self.coordinator.door
        door.commit(Asked("person", None, command))
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
        coordinator = self.coordinator
        return (
            self.next_asked == len(self.asked)
            and not coordinator.schedule.plans
            and not any(lane.behind for lane in coordinator.inputs)
            and all(not (host.running or host.late or host.ended or host.inbox.behind) for host in self.hosts.values())
        )

    def left(self) -> str:
        """The plans that are open, by name."""
        return ", ".join(list(self.coordinator.schedule.plans)[:5]) or "records"

    def close(self) -> None:
        """The model's last word."""
        self.look(0)
        queues = self.coordinator.schedule.board.lines.queues
        if queues.queues or queues.standing:
            raise Violation("P8", f"every plan ended, and these are still in line: {list(queues.standing)[:5]}")
        slots = self.coordinator.schedule.board.slots
        if any(slots.used.values()) or slots.rounds:
            raise Violation(
                "P8", f"every plan ended, and slots are still in use: {slots.used} {list(slots.rounds)[:5]}"
            )
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
        ("decide", 10),
        ("decide", 11),
        ("decide", 12),
        ("decide", 13),
        ("bank_takes", 1),
        ("post_takes", 1),
    ),
    *(("run", 0), ("run", 1), ("come_back", 0), ("come_back", 1), ("look", 0), ("help", 0), ("tick", 0)),
)


def shown(record: Any) -> str:
    """A record for the story."""
    if isinstance(record, Asked):
        return described(record)
    if isinstance(record, str):
        return f"plan {record}"
    plan_id, calls = record[0], record[1] or (record[2],)
    return f"{', '.join(f'c{one.index}' for one in calls)} of plan {plan_id}"


def described(asked: Asked) -> str:
    """A command for the story."""
    if asked.template is None:
        return f"{type(asked.command).__name__} {getattr(asked.command, 'plan_id', '')}".strip()
    calls = ", ".join(
        f"{call.call_id} {call.tool} {call.arguments}{' after ' + ' '.join(call.after) if call.after else ''}"
        for call in asked.template.command.calls
    )
    again = "" if asked.kind == "submit" else f" ({asked.kind})"
    return f"plan {asked.template.plan_id}{again} [{asked.template.command.isolation}: {calls}]"
