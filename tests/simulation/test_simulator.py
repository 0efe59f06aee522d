"""The simulator: it finds nothing in what is there, it finds what is put there, and the same seed is the same world."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakages import MUTATIONS, Mutation, lanes_take_repeats
from motet.simulation import Total, run_many, shrink, tell
from motet.simulation.course import Action
from motet.simulation.runs import Kind, run
from motet.simulation.scheduler import script
from motet.simulation.shrinking import played

SEEDS = 192
PLANS = 20


def test_nothing_is_found() -> None:
    """P1 to P4 in worlds of every kind; each kind of check was made, and things did go wrong in them."""
    total = run_many(range(SEEDS), PLANS)
    assert total.failures == []
    assert (total.runs, total.plans) == (SEEDS, SEEDS * PLANS - rejected(total))
    assert min(total.careful, total.replays, total.twins) >= 6
    assert min(total.faults, total.crashes, total.repeats) > SEEDS
    assert total.calls > total.plans
    assert total.deliveries > 2 * total.calls


def rejected(total: Total) -> int:
    """Plans that were dealt and refused, because what they use was in quarantine: few."""
    missing = SEEDS * PLANS - total.plans
    assert missing < SEEDS
    return missing


@pytest.mark.parametrize("seed", [3, 8, 12, 22])
def test_the_same_seed_is_the_same_world(seed: int) -> None:
    """Step by step, from nothing but the seed; another seed is another world."""
    chosen: list[list[Action]] = [[], []]
    courses = [run(seed, PLANS, Total(), one) for one in chosen]
    assert chosen[0] == chosen[1]
    assert courses[0].world.effects == courses[1].world.effects
    assert tell(seed, PLANS) == tell(seed, PLANS)
    assert tell(seed + 4, PLANS)[0] != tell(seed, PLANS)[0]


def test_choices_taken_away_are_a_run() -> None:
    """Any part of a run's choices is a run in which every promise is kept: what cannot be done is passed over."""
    for seed in (2, 3, 5, 7):
        chosen: list[Action] = []
        run(seed, PLANS, Total(), chosen)
        asked = script(seed, PLANS).asked
        for part in (chosen[::2], chosen[::3], chosen[20:60], []):
            assert played(Kind.of(seed), asked, part)[1:] == ("", "")


WORDS = (
    "submit",
    "decide",
    "agents_decide",
    "leases_decide",
    "run_all",
    "bank_takes",
    "post_takes",
    "run",
    "come_back",
    "look",
    "fire",
    "tick",
    "help",
)
FAULTS = ("lose", "die", "restart", "crash", "repeat", "give_up", "jump", "lean")
ACTIONS = st.lists(st.tuples(st.sampled_from((*WORDS, *WORDS, *FAULTS)), st.integers(10, 299)))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 4_095), st.integers(1, 8), ACTIONS)
def test_hypothesis_is_the_scheduler(seed: int, plans: int, actions: list[Action]) -> None:
    """The same model, with every choice made by Hypothesis, which shrinks what it finds by itself."""
    actions = [(word, number % 10 % 6 + number // 10 * 10) for word, number in actions]
    kind = replace(Kind.of(seed), careful=seed % 3 == 0, replayed=seed % 3 == 1, twin=False)
    _, promise, message = played(kind, script(seed, plans).asked, actions)
    assert not promise, f"{promise}: {message}"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.__name__)
def test_what_is_broken_is_found(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mutation breaks a promise within some hundred small runs, and shrinks to a story that a person can read."""
    mutation(monkeypatch)
    for first in range(0, 1_280, 64):
        total = run_many(range(first, first + 64), PLANS)
        if total.failures:
            break
    assert total.failures, f"{mutation.__name__} was not found"
    # The first run that fails may be a long one; a person reads the shortest of a few.
    stories = [story for one in total.failures[:4] if (story := shrink(one.seed, PLANS)) is not None and story.lines]
    story = min(stories, key=lambda one: one.asked + one.choices)
    assert story.promise in {one.promise for one in total.failures}
    assert story.asked <= 8
    assert story.choices <= 20
    assert 0 < len(story.lines) <= 60


def test_a_story_says_what_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    """One plan, the repeat that did it, and the promise that it broke."""
    lanes_take_repeats(monkeypatch)
    story = shrink(run_many(range(64), PLANS).failures[0].seed, PLANS)
    assert story is not None
    assert story.lines[0].startswith("step 1: plan ")
    assert story.lines[0].endswith("comes to the door")
    assert any("produced again" in line or "publishes" in line for line in story.lines)
    assert "terminal events; there is one a plan" in story.message or "happened twice" in story.message
