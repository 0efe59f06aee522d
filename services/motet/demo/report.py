"""The demo's end, for somebody who sees Motet for the first time."""

from __future__ import annotations

from typing import Final

from motet.demo.led import Led
from motet.demo.modes import WITHOUT_COORDINATOR, Comparison, Round
from motet.demo.run import Result

COMPARED: Final = (
    *("mode", "calls", "coordinator", "plans admitted", "histories equal", "results equal", "final states equal"),
    *("killed", "time"),
)


def report(result: Result) -> str:
    """Lines with rich's markup."""
    first, second = result.real_input, result.contention
    killed = ", ".join(one.service for one in result.kills) or "nobody"
    money = second.money_before == second.money_after
    twice = second.effects == second.transfers - second.refused
    lines = [
        "",
        "[bold]Real input[/]: the Berkeley Function Calling Leaderboard's multi-turn scenarios",
        f"  {first.scenarios} agents at once, {first.turns} turns, {first.calls:,} tool calls on 8 APIs, in {first.seconds:.1f} s.",
        "  Compared with the same calls on the same classes, one after another, in plain Python:",
        f"    results equal        {of(first.calls_equal, first.calls)}",
        f"    final states equal   {of(first.scenarios_equal, first.scenarios)}",
        "",
        "[bold]Contention[/]: a bank",
        f"  {second.agents} agents at once, {second.transfers:,} transfers in {second.plans:,} plans over {second.accounts} accounts, in {second.seconds:.1f} s.",
        f"  {second.refused:,} transfers were refused for lack of money: which ones depends on the order.",
        "  Compared with the same transfers, one after another, in the order of the log:",
        f"    results equal        {of(second.results_equal, second.transfers)}",
        f"    balances equal       {yes(second.balances_equal)}",
        f"    money conserved      {yes(money)}  {second.money_before:,} before, {second.money_after:,} after",
        f"    every effect once    {yes(twice)}  {second.effects:,} entries in the bank's own journal",
        "",
        f"[bold]Killed on the way[/] with SIGKILL: {killed} (seed {result.seed} repeats it)",
    ]
    if first.differences:
        lines += ["", "[red]Differences[/]", *(f"  {one}" for one in first.differences)]
    verdict = "[bold green]All equal.[/]" if result.equal else "[bold red]NOT EQUAL.[/]"
    lines += ["", f"{verdict} {result.seconds:.0f} s in all. Everything still runs; look further:"]
    return "\n".join(lines)


def led_report(result: Led) -> str:
    """Lines with rich's markup."""
    one = result.compared
    killed = ", ".join(kill.service for kill in result.kills) or "nobody"
    again = result.asked - result.answers
    lines = [
        "",
        "[bold]Led by a model[/]: the Berkeley Function Calling Leaderboard's ground truth, served over HTTP as a model's answers",
        f"  {one.scenarios} conversations with one agent, {one.turns} questions, {one.calls:,} tool calls on 8 APIs, in {one.seconds:.1f} s.",
        f"  The model was asked {result.asked:,} times, {again} of them again after a kill; {result.answers:,} answers are in the log, each once.",
        "  Compared with the same calls on the same classes, one after another, in plain Python:",
        f"    results equal        {of(one.calls_equal, one.calls)}",
        f"    final states equal   {of(one.scenarios_equal, one.scenarios)}",
        f"    questions answered   {of(result.answered, one.turns)}",
        "",
        f"[bold]Killed on the way[/] with SIGKILL: {killed} (seed {result.seed} repeats it)",
    ]
    if one.differences:
        lines += ["", "[red]Differences[/]", *(f"  {said}" for said in one.differences)]
    lines += ["", "[bold green]All equal.[/]" if result.equal else "[bold red]NOT EQUAL.[/]"]
    return "\n".join(lines)


def compared(result: Comparison) -> list[list[str]]:
    """The rows of the comparison of modes, under `COMPARED`."""
    return [row(result, one) for one in result.rounds]


def row(result: Comparison, one: Round) -> list[str]:
    """One way."""
    serial = one.compared
    return [
        one.way.mode.lower(),
        "expect versions" if one.way.versions else "as written",
        "none runs" if one.way in WITHOUT_COORDINATOR else "runs",
        f"{one.admitted:,} of {one.plans:,}",
        of(result.histories_equal(one), one.admitted),
        of(serial.calls_equal, serial.calls) if serial else "",
        of(serial.scenarios_equal, serial.scenarios) if serial else "",
        ", ".join(kill.service for kill in one.kills) or "nobody",
        f"{one.seconds:.1f} s",
    ]


def verdict(result: Comparison) -> str:
    """All in all."""
    differences = [f"  {one}" for way in result.rounds if way.compared for one in way.compared.differences]
    if differences:
        return "\n".join(["[red]Differences[/]", *differences, "[bold red]NOT EQUAL.[/]"])
    good = "[bold green]All equal.[/]" if result.equal else "[bold red]NOT EQUAL.[/]"
    return f"{good} {result.seconds:.0f} s in all (seed {result.seed} repeats the kills). Everything still runs."


def next_steps(result: Result, motet: str) -> str:
    """Commands to go on with, to be printed as they are; `motet` is how the program is called from here."""
    first, second = result.real_input, result.contention
    one = f"SELECT plan_id FROM plans WHERE tenant = '{second.tenant}' ORDER BY admitted_at LIMIT 1"
    return f"""
  {motet} status        # what runs, and lag 0
  {motet} events --tenant {first.tenant} --domain multi_turn_base_0
  {motet} sql "SELECT status, count(*) FROM plans GROUP BY status"
  {motet} sql "SELECT tool, count(*) FROM calls WHERE tenant = '{first.tenant}' GROUP BY tool ORDER BY count DESC LIMIT 5"
  {motet} sql "SELECT result ->> 'reason' AS refused, count(*) FROM calls WHERE tenant = '{second.tenant}' GROUP BY 1"
  {motet} plan $({motet} sql --json "{one}" | grep -o '[0-9a-f]\\{{32\\}}')
  {motet} rebuild       # builds the tables again from the log, and compares
  {motet} down          # stops everything; the data stays in .motet"""


def of(count: int, total: int) -> str:
    """How many of how many."""
    return f"{yes(count == total)}  {count:,} of {total:,}"


def yes(good: bool) -> str:
    """A mark."""
    return "[green]yes[/]" if good else "[bold red]NO [/]"
