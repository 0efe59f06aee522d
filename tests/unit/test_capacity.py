"""Laws of the capacity model, what it says of the machine that was measured, and its simulation held to queueing theory."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any, Final

import pytest
import typer
from hypothesis import assume, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from guide import typed
from motet.capacity.costs import NOVEMBER_2026, Load, Price, from_bench
from motet.capacity.model import Demand, Terms, Topology, plan, saturated
from motet.capacity.price import Prices, bill
from motet.capacity.simulated import Scene, Servers, simulate
from motet.chassis.errors import ConfigurationError
from motet.chassis.identity import domain_key, partition_of
from motet.cli.capacity import plan_capacity

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "capacity.md").read_text()
WITHIN: Final = 0.25
ROUNDING: Final = 1e-6
# What `motet bench --json` prints, of a run at full size.
BENCH: Final[dict[str, Any]] = {
    "hop_records_per_second": 16_600.0,
    "saturated_calls_per_second": 2_400.0,
    "projector_seconds_behind": 0.5,
    "saturated_calls": 48_000,
    "usage": [
        {"name": "coordinator", "cores": 0.45, "memory_bytes": 1},
        {"name": "projector", "cores": 0.24, "memory_bytes": 1},
        {"name": "tools-bench", "cores": 0.4, "memory_bytes": 1},
        {"name": "postgres", "cores": 0.42, "memory_bytes": 1},
        {"name": "kafka", "cores": 0.4, "memory_bytes": 1},
    ],
}

# Each power of ten as often: what is small differs in other steps than what is large.
rates = st.floats(-1, 6.5).map(lambda power: 10.0**power)
demands = st.builds(
    Demand,
    rates,
    st.floats(1, 256),
    st.floats(0, 100_000),
    st.sampled_from((0.0, 0.0001, 0.01, 1.0)),
    st.sampled_from((0.0, 0.0001, 0.01, 1.0)),
    st.floats(0, 60),
)
terms = st.builds(
    Terms, st.integers(1, 128), st.floats(4, 512), st.floats(0.1, 0.95), st.integers(1, 256), st.floats(0, 365)
)
app = typer.Typer()
app.command("plan-capacity")(plan_capacity)


def answer(demand: Demand, given_terms: Terms) -> Topology:
    """By the kept costs."""
    return plan(demand, given_terms, NOVEMBER_2026)


def counts(topology: Topology) -> dict[str, int]:
    """Machines and processes by what they are for; databases together, because they part as they grow."""
    found = {part.name: part.count for part in topology.parts if part.kind != "database"}
    return found | {"postgres": sum(part.count for part in topology.parts if part.kind == "database")}


@given(demands, terms, st.floats(1.001, 2))
def test_more_calls_never_need_fewer_machines(demand: Demand, given_terms: Terms, factor: float) -> None:
    """Of no kind, nor all together, nor installations; step by step, for what falls falls where one more of something else begins."""
    steps = [
        answer(replace(demand, calls_per_second=demand.calls_per_second * factor**step), given_terms)
        for step in range(20)
    ]
    for less, more in pairwise(steps):
        assert more.machines >= less.machines
        assert more.cells >= less.cells
        assert all(count >= counts(less)[name] for name, count in counts(more).items())


@given(demands, terms)
def test_nothing_is_used_more_than_it_may_be(demand: Demand, given_terms: Terms) -> None:
    """With one machine of each kind lost; only what takes turns can be wanted too much, and then the answer says so."""
    topology = answer(demand, given_terms)
    beyond = [part for part in topology.parts if part.utilisation > given_terms.target * (1 + ROUNDING)]
    assert all(part.kind == "turn" for part in beyond)
    assert topology.feasible == (not beyond)
    for part in topology.parts:
        if part.kind in ("machine", "broker"):
            lost = topology.cells if part.kind == "broker" else 1
            assert part.load <= (part.count - lost) * given_terms.cores * given_terms.target * (1 + ROUNDING)


@given(demands, terms)
def test_the_bottleneck_is_what_is_used_most(demand: Demand, given_terms: Terms) -> None:
    """And at the rate that the answer says is possible it is used as much as it may be, were nothing added."""
    topology = answer(demand, given_terms)
    worst = topology.bottleneck
    assert worst in topology.parts
    assert worst.utilisation == max(part.utilisation for part in topology.parts)
    at_most = worst.utilisation * topology.within / demand.calls_per_second
    assert at_most == pytest.approx(given_terms.target)


@given(demands, terms)
def test_machines_of_twice_the_cores_are_never_more(demand: Demand, given_terms: Terms) -> None:
    """Nor are installations."""
    small, large = answer(demand, given_terms), answer(demand, replace(given_terms, cores=given_terms.cores * 2))
    assert large.machines <= small.machines
    assert large.cells <= small.cells
    assert all(count <= counts(small)[name] for name, count in counts(large).items())


@given(demands, terms, terms)
def test_a_ceiling_is_moved_by_no_machine(demand: Demand, some: Terms, others: Terms) -> None:
    """It is one call at a time: the turn and the effect, whatever it runs on."""
    assume(demand.hot_share)
    hot = {answer(demand, one).ceilings[0] for one in (some, others)}
    (ceiling,) = hot
    turn = NOVEMBER_2026.turn_milliseconds / 1_000 + demand.tool_seconds
    assert ceiling.calls_per_second == pytest.approx(1 / turn / demand.hot_share)


@given(demands, terms, st.floats(0.001, 10), st.floats(0.001, 10))
def test_a_bill_is_its_machines_and_its_disk(demand: Demand, given_terms: Terms, core: float, disk: float) -> None:
    """By the hour, and by the calls of an hour."""
    topology = answer(demand, given_terms)
    paid = bill(topology, Prices(core, disk))
    assert paid.cores_an_hour == pytest.approx(topology.machines * given_terms.cores * core)
    assert paid.million_calls * demand.calls_per_second * 3_600 / 1_000_000 == pytest.approx(paid.an_hour)


def test_effects_in_flight_are_rate_times_time() -> None:
    """Little's law: 1,000 calls/s that wait 0.5 s are 500 in flight, and take 53 processes of 16 threads used to 60 %."""
    topology = answer(Demand(1_000, tool_seconds=0.5), Terms())
    (tools,) = (part for part in topology.parts if part.name == "tools")
    assert topology.in_flight == 500
    assert (tools.count, round(tools.utilisation, 3)) == (53, round(500 / (53 * 16), 3))


def test_small_loads_share_a_database_and_large_ones_part() -> None:
    """One server at first, one for each service then, and more than one installation where one is not enough for a service."""
    parts = {rate: answer(Demand(rate), Terms()) for rate in (100, 50_000, 500_000)}
    databases = {rate: [one for one in found.parts if one.kind == "database"] for rate, found in parts.items()}
    assert [one.name for one in databases[100]] == ["postgres"]
    assert [one.name for one in databases[50_000]] == [f"postgres of {name}" for name in NOVEMBER_2026.postgres]
    assert [found.cells for found in parts.values()] == [1, 1, max(one.count for one in databases[500_000])]


def test_the_model_says_what_the_bench_machine_reached() -> None:
    """2,502 calls/s saturated on 2 cores, plans of 8, from costs that were measured in other runs: within 25 %."""
    measured = NOVEMBER_2026.measured
    assert (measured.calls_per_second, measured.cores, measured.load.calls_per_plan) == (2_502, 2, 8)
    said = saturated(NOVEMBER_2026, measured.cores, measured.load)
    assert abs(said / measured.calls_per_second - 1) <= WITHIN


def test_what_a_bench_run_used_is_what_a_call_costs_then() -> None:
    """Shares of cores over the time of the run become microseconds a call; what the run does not say stays."""
    costs = from_bench(BENCH)
    seconds = 48_000 / 2_400 + 0.5
    assert costs.services["coordinator"].of(Load()) == pytest.approx(0.45 * seconds / 48_000 * 1_000_000)
    assert sum(one.of(Load()) for one in costs.postgres.values()) == pytest.approx(0.42 * seconds / 48_000 * 1e6)
    assert costs.services["agents"] == NOVEMBER_2026.services["agents"]
    assert costs.measured.calls_per_second == 2_400


def test_a_long_run_counts_by_its_last_slice() -> None:
    """Microseconds a call by process, with the size of its plans."""
    last = {"calls_per_second": 1_000.0, "cpu_us_per_call": {"coordinator": 70.0, "tools-bench": 30.0, "kafka": 50.0}}
    first = {"calls_per_second": 1.0, "cpu_us_per_call": {"coordinator": 1.0}}
    costs = from_bench({"calls_in_plan": 64, "slices": [first, last]})
    load = Load(64)
    found = [costs.services["coordinator"].of(load), costs.services["tools"].of(load), costs.kafka.of(load)]
    assert found == pytest.approx([70, 30, 50])
    assert costs.measured.cores == pytest.approx(0.15 + NOVEMBER_2026.client.cores(1_000, load))


@pytest.mark.parametrize("found", [{}, {"slices": []}, {"usage": 3, "saturated_calls_per_second": 0}])
def test_other_json_is_refused(found: dict[str, Any]) -> None:
    """With what is wanted."""
    with pytest.raises(ConfigurationError, match="is no JSON of `motet bench`"):
        from_bench(found)


# One partition, one process, and everybody waits in one queue.
ALONE: Final = Scene(partitions=1, domains=1, zipf=0.0, plans=60_000)


def test_one_queue_waits_as_theory_says() -> None:
    """Half used, random arrivals, exponential service: 99 of 100 wait ln(50) mean service times by what is unused, or less (M/M/1)."""
    demand = Demand(0.5 / NOVEMBER_2026.services["coordinator"].of(Load()) * 1_000_000)
    (coordinator, _) = simulate(ALONE, demand, Terms(target=0.9), NOVEMBER_2026).waits
    visit_ms = NOVEMBER_2026.services["coordinator"].of(Load()) * 8 / 2 / 1_000
    assert (coordinator.processes, round(coordinator.fullest, 6)) == (1, 0.5)
    assert coordinator.p99 == pytest.approx(visit_ms / 0.5 * log(50), rel=0.15)
    assert coordinator.p50 < visit_ms


SMALL: Final = Scene(partitions=200, domains=5_000, plans=10_000)


def test_a_seed_gives_the_same_again() -> None:
    """All of it; another seed another run."""
    demand = Demand(100_000)
    one, again, other = (
        simulate(scene, demand, Terms(), NOVEMBER_2026) for scene in (SMALL, SMALL, replace(SMALL, seed=2))
    )
    assert one == again
    assert one != other
    assert [sorted((wait.p50, wait.p99)) for wait in one.waits] == [[wait.p50, wait.p99] for wait in one.waits]


def test_what_is_wanted_more_often_makes_one_process_busier() -> None:
    """The mean stays; the busiest one's share grows with the exponent, beyond all that it has, and its partition waits longest."""
    runs = [simulate(replace(SMALL, zipf=zipf), Demand(100_000), Terms(), NOVEMBER_2026) for zipf in (0.0, 0.6, 1.2)]
    even, uneven, hopeless = ([one.fullest for one in run.waits] for run in runs)
    assert all(a < b < c for a, b, c in zip(even, uneven, hopeless, strict=True))
    assert len({one.mean_utilisation for run in runs for one in run.waits[:1]}) == 1
    assert hopeless[0] > 1
    assert runs[2].waits[0].partition_p99_worst > 10 * runs[0].waits[0].partition_p99_worst


def test_partitions_and_processes_are_as_they_really_are() -> None:
    """A domain's partition is the log's own, and a process has a range of them: none is left out, none is divided."""
    run = simulate(replace(SMALL, domains=1), Demand(1_000), Terms(), NOVEMBER_2026)
    assert run.empty == SMALL.partitions - 1
    assert run.busiest_partition == 1.0
    shares = [0.0] * 10
    shares[partition_of(domain_key("tenant", "d0"), 10)] = 1.0
    servers = Servers("coordinator", 1_000.0, 2_000.0, Terms(target=0.5), shares)
    assert servers.processes == 4
    assert servers.of_partition == sorted(servers.of_partition)
    assert set(servers.of_partition) == {0, 1, 2, 3}
    assert sorted(servers.share) == [0.0, 0.0, 0.0, 1.0]


def asked(*words: str) -> str:
    """What the command prints."""
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_programs_get_everything(tmp_path: Path) -> None:
    """One JSON value, with a file of costs and a simulation."""
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(BENCH))
    options = ("--costs", str(file), "--simulate", "50", "--domains", "100", "--json")
    found = json.loads(asked("--calls-per-second", "1000", "--hot-share", "0.5", *options))
    assert found["bottleneck"] == "hottest resource"
    assert found["feasible"] is False
    assert found["machines"] == 7
    assert found["simulated"]["scene"]["partitions"] == 50
    assert found["costs"]["measured"]["calls_per_second"] == 2_400
    people = asked("--calls-per-second", "1000", "--hot-share", "0.5")
    assert "No machine helps there: 64 calls/s are possible within the target." in people


@pytest.mark.parametrize(("text", "says"), [("{", "cannot be read as JSON"), ("[]", "is no JSON object")])
def test_a_file_of_costs_that_is_none_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """By name."""
    file = tmp_path / "bench.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=says):
        asked("--calls-per-second", "1", "--costs", str(file))


def test_a_part_of_a_price_is_what_it_says() -> None:
    """A plan's part is shared by its calls, and what a call carries comes on top."""
    assert Price(80, 10, 4).of(Load(8, 500)) == 22
    assert Price(80, 10, 4).cores(1_000_000, Load(8, 500)) == 22


@pytest.mark.timeout(120)
def test_the_page_says_what_the_screen_says() -> None:
    """`docs/capacity.md`, command by command."""
    commands = list(typed(PAGE))
    assert commands
    for one in commands:
        program, name, *words = one.command.split()
        assert (program, name) == ("motet", "plan-capacity")
        printed = asked(*words)
        assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"
