"""The scheduler: a seed decides what a run is made of, and what happens next, until nothing is left."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from motet.records import Amounts, CancelPlan, SetBudget
from motet.simulation.course import DECIDING, STEPS, Action, Course
from motet.simulation.inputs import SEEDS, TENANT, Asked, Mix, Pool, mix_of, pool
from motet.simulation.violations import Violation

# So many plans may be open before the next ones come.
OPEN: Final = 8
# How likely more of them come before time passes, while those that are open wait; how many faults are jumps of clocks, where there are any.
MORE: Final = 0.5
# How likely hosts that pause go on before time passes.
WAKES: Final = 0.1
JUMPS: Final = 0.3
# How often timers are fired early while the services' clock is ahead.
EARLY: Final = 0.05
FIRE: Final[Action] = ("fire", 0)


@dataclass(slots=True)
class Script:
    """What a seed gives: commands, and the faults that will happen, each at a step."""

    seed: int
    mix: Mix
    asked: list[Asked] = field(default_factory=list)


def script(seed: int, plans: int) -> Script:
    """The commands of a seed's run."""
    mix = mix_of(seed)
    chance = Random(seed)  # noqa: S311  no secret
    return Script(seed, mix, commands(chance, mix, pool(seed // SEEDS), plans))


def commands(chance: Random, mix: Mix, templates: Pool, plans: int) -> list[Asked]:
    """Commands as agents send them: plans, some of them twice, some bad, and what people want."""
    wild, special = round(plans * mix.wild), round(plans * mix.special)
    dealt = chance.sample(templates.tame, plans - wild - special) + (
        chance.sample(templates.wild, wild) if wild else []
    )
    if special:
        dealt += chance.sample(templates.special(mix), special)
    if wild or special:
        chance.shuffle(dealt)
    out = [Asked("submit", one) for one in dealt]
    out.insert(chance.randrange(plans + 1), Asked("submit", chance.choice(templates.bad)))
    for _ in range(2):
        place = chance.randrange(len(out))
        out.insert(chance.randrange(place, len(out)) + 1, Asked("again", out[place].template))
    if mix.people:
        place, other = chance.randrange(len(out)), chance.choice(templates.wild)
        used = out[place].template
        if used is not None and used.host == other.host:
            command = replace(other.command, idempotency_key=used.command.idempotency_key)
            out.insert(chance.randrange(place, len(out)) + 1, Asked("reuse", replace(other, command=command)))
        for number in range(3):
            place = chance.randrange(len(out))
            one = out[place].template
            if one is not None:
                head = (f"x{number}", TENANT, one.command.domain, "boss")
                out.insert(
                    place + 1 + chance.randrange(4), Asked("cancel", None, CancelPlan(*head, one.plan_id, "why"))
                )
    if mix.people and not mix.special:
        # What the agents' service hosts no agent with a budget may ask for.
        limits = Amounts(chance.choice([None, 5, 20]), chance.choice([None, 300_000]))
        out.insert(
            chance.randrange(len(out)),
            Asked("budget", None, SetBudget("y", TENANT, "d", "boss", "ann", limits, reset=False)),
        )
    return out


class Driver:
    """Chooses the steps of a run by chance. What it chose is kept if that is wanted."""

    def __init__(
        self, course: Course, chance: Random, mix: Mix, plans: int, chosen: list[Action] | None = None
    ) -> None:
        self.course = course
        self.random = chance.random
        self.mix = mix
        self.chosen = chosen
        # Steps until the next fault: faults lie evenly over some six steps a plan.
        self.spacing = max(1, 6 * plans // max(1, mix.faults))
        self.until = 1 + int(self.random() * self.spacing)
        self.faults = mix.faults
        self.left = len(course.asked)
        self.inputs = tuple(
            (decides, lane)
            for word, service in zip(DECIDING, course.services, strict=False)
            for decides, lane in zip(DECIDE[word], service.inputs, strict=False)
        )
        self.hosts = tuple(enumerate((course.bank, course.post)))
        # By host, the step from which on it goes on.
        self.paused = [0, 0]
        # Nobody can do anything until something else happens.
        self.helpless = False

    def run(self) -> None:
        """Goes on until nothing is left, and has everything judged."""
        course, chosen = self.course, self.chosen
        while True:
            action = self.fault() if self.until <= 0 and self.faults else self.early() or self.choose()
            if action is None:
                if course.finished():
                    break
                raise Violation("P1", f"nothing can happen any more, and {course.left()} are still open")
            self.until -= 1
            if chosen is not None:
                chosen.append(action)
            done = course.do(action)
            if action[0] == "help":
                self.helpless = not done
            elif done:
                self.helpless = False
            if course.steps > STEPS:
                raise Violation("P1", f"after {course.steps} steps {course.left()} are still open")
        course.close()

    def choose(self) -> Action | None:
        """Something that can happen now; nothing only if nothing can."""
        course, chance = self.course, self.random
        paused, step = self.paused, course.steps
        can: list[Action] = []
        if self.left > course.next_asked and course.open_plans < OPEN:
            can.append(SUBMIT[int(chance() * 3)])
        for decides, lane in self.inputs:
            if lane.behind:
                can.append(decides[int(chance() * 4)])
        for number, host in self.hosts:
            if paused[number] > step:
                continue
            if host.behind or host.ended:
                takes = TAKE[number] if host.only else TAKE_ONE[number]
                can.append(takes[int(chance() * len(takes))])
            if host.running:
                can.append(RUN[number][int(chance() * 8)])
            if host.late:
                can.append(("come_back", number))
        return can[int(chance() * len(can))] if can else self.wait()

    def early(self) -> Action | None:
        """A machine whose clock is ahead takes for due what is not, now and then."""
        return FIRE if self.course.skew > 0 and self.random() < EARLY else None

    def wait(self) -> Action | None:
        """Nothing moves: people decide, time passes, more commands come."""
        course = self.course
        if max(self.paused) > course.steps and (course.next_due() is None or self.random() < WAKES):
            self.paused = [0, 0]
            return self.choose()
        left = course.next_asked < len(course.asked)
        if course.judge.matters and not self.helpless:
            return ("help", 0)
        if course.next_due() is not None and not (left and self.random() < MORE):
            return ("tick", 0)
        return SUBMIT[0] if left else None

    def fault(self) -> Action:
        """Something goes wrong."""
        chance = self.random
        self.faults -= 1
        self.until = 1 + int(chance() * 2 * self.spacing)
        words = FAULTS if self.mix.people else TAME
        word = words[int(chance() * len(words))]
        if self.mix.jumps and chance() < JUMPS:
            word = ("jump", "lean", "fire", "tick", "help", "pause", "pause")[int(chance() * 7)]
        if word == "pause":
            # One of the hosts does nothing for a while; if nobody else can do anything either, time passes.
            self.paused[int(chance() * 2)] = self.course.steps + 50 + int(chance() * 200)
            return self.choose() or ("look", 0)
        whose = 100 * int(chance() * len(self.course.services)) if len(self.course.services) > 1 else 0
        return word, int(chance() * 10) + 10 * (1 + int(chance() * 3)) + whose


SUBMIT: Final = (("submit", 1), ("submit", 2), ("submit", 4))
DECIDE: Final = {
    word: tuple(tuple((word, 10 * limit + lane) for limit in (1, 2, 4, 16)) for lane in range(6)) for word in DECIDING
}
# One of those that run, or all of them.
RUN: Final = tuple(
    (*(("run", host + 10 * place) for place in range(5)), *(("run_all", host + 10 * place) for place in range(3)))
    for host in range(2)
)
# From one of two lanes, that of the coordinator and that of the agents' service: either may overtake the other.
TAKE_ONE: Final = tuple(
    tuple((word, 100 * lane + limit) for lane in (1, 2) for limit in (1, 2, 4, 16))
    for word in ("bank_takes", "post_takes")
)
TAKE: Final = tuple(tuple((word, limit) for limit in (1, 2, 4, 16)) for word in ("bank_takes", "post_takes"))
# An attempt that is given up may leave its call in doubt, and then a plan may end in several ways.
TAME: Final = ("lose", "die", "restart", "crash", "crash", "repeat", "repeat")
FAULTS: Final = (*TAME, "give_up")
