"""The worked examples as a reader follows them: run twice on one platform, held to their pages, to SQL, and to what the services outside wrote down."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from guide import typed
from motet.chassis.waiting import wait_until
from world import World

ROOT: Final = Path(__file__).resolve().parents[2]
EXAMPLES: Final = ROOT / "examples"
SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Outside:
    """A service outside of Motet: its address, and the file into which it writes what it does."""

    url: str
    log: Path

    def lines(self) -> list[str]:
        """Everything that it did."""
        return self.log.read_text().splitlines()[1:]


@contextmanager
def outside(script: Path, log: Path) -> Iterator[Outside]:
    """Runs a service on a free port."""
    with log.open("wb") as output:
        child = subprocess.Popen([sys.executable, "-u", str(script), "0"], stdout=output)
    try:
        wait_until(lambda: log.read_text().endswith("\n"), SECONDS, f"{script.name} says where it is")
        yield Outside(log.read_text().split()[-1], log)
    finally:
        child.terminate()
        child.wait(SECONDS)


def serve(world: World, name: str, **environment: str) -> None:
    """Starts everything with an example's tools."""
    world.coordinator()
    world.projector()
    tools = world.start(f"tools-{name}", "tools", "serve", str(EXAMPLES / name / "tools.py"), **environment)
    assert tools.child.poll() is None, tools.said()


def typed_in(world: World, command: str, **environment: str) -> str:
    """What a command of a page prints, with this Python for the one of `.venv`; SQL has by then what was done before."""
    program, *words = shlex.split(command)
    world.await_no_lag("coordinator", "projector")
    done = subprocess.run(
        [sys.executable, *(("-m", "motet") if program == ".venv/bin/motet" else ()), *words],
        env={
            **os.environ,
            **world.addresses.environment(),
            "PYTHONPATH": str(ROOT / "services"),
            "COLUMNS": "150",
            **environment,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def follow(world: World, name: str, **environment: str) -> tuple[str, str]:
    """Types every command of an example's page, and then its script once more; what the script printed both times.

    The screen says what the page says.
    """
    page = list(typed((EXAMPLES / name / "README.md").read_text()))
    assert page[0].command == f".venv/bin/python examples/{name}/run.py"
    said = []
    for one in page:
        said.append(typed_in(world, one.command, **environment))
        assert one.says(said[-1]), f"$ {one.command}\n{said[-1]}\nthe page says:\n{one.output}"
    again = typed_in(world, page[0].command, **environment)
    world.await_no_lag("coordinator", "projector")
    return said[0], again


@pytest.mark.timeout(240)
def test_refunds(world: World, tmp_path: Path) -> None:
    """What was denied or failed later is undone, the ledger agrees with the payment service, and a second run pays nothing."""
    with outside(EXAMPLES / "payments.py", tmp_path / "payments.log") as payments:
        serve(world, "refunds", PAYMENTS_URL=payments.url)
        first, again = follow(world, "refunds", PAYMENTS_URL=payments.url)
        paid = [line.split(" ", 1) for line in payments.lines()]

    table = first.index("case")
    assert again.strip().splitlines()[:-1] == first[table:].strip().splitlines()[:-1]
    assert again.endswith("answered before: 8 of 8\n")

    # The money that left the house and came back, by the service's own log: each once.
    out = Counter(
        (body["order"], body["amount"]) for kind, text in paid if (body := json.loads(text)) and kind == "/refunds"
    )
    back = Counter(
        (body["order"], body["amount"]) for kind, text in paid if (body := json.loads(text)) and kind == "/charges"
    )
    assert out == Counter({("1001", 30): 1, ("1002", 45): 1, ("1003", 900): 1, ("1006", 80): 1})
    assert back == Counter({("1006", 80): 1})

    ledger = dict(
        world.sql("SELECT account, sum(amount)::bigint FROM tools_refunds.entry WHERE tenant = 'acme' GROUP BY account")
    )
    assert ledger == {"owner": -10_000, "cash": 9_025, "owed": 0, "refunded": 975}
    assert ledger["refunded"] == sum(one for _, one in out.elements()) - sum(one for _, one in back.elements())
    assert world.sql("SELECT order_number FROM tools_refunds.letter WHERE NOT withdrawn ORDER BY 1") == [
        ("1001",),
        ("1002",),
        ("1003",),
    ]

    ends = world.sql(
        "SELECT idempotency_key, status, repeats FROM motet.plans WHERE domain = 'refunds' AND idempotency_key ^@ 'refund ' ORDER BY 1"
    )
    assert [(key[-2:], status) for key, status, _ in ends] == [
        *((f"A{number}", "SUCCEEDED") for number in (1, 2, 3)),
        ("A4", "COMPENSATED"),
        ("A5", "COMPENSATED"),
        *(("A6", "COMPENSATED"), ("A7", "COMPENSATED"), ("A8", "COMPENSATED")),
    ]
    assert {repeats for _, _, repeats in ends} == {1}
    decided = world.sql("SELECT state, decided_by FROM motet.approvals WHERE domain = 'refunds' ORDER BY 1")
    assert decided == [("APPROVED", "ada"), ("DENIED", "ada")]
    undone = world.sql(
        "SELECT right(p.idempotency_key, 2), o.tool, o.state FROM motet.compensations AS o JOIN motet.plans AS p USING (plan_id) "
        "WHERE p.domain = 'refunds' ORDER BY 1, o.index DESC"
    )
    assert undone == [
        ("A4", "refunds.release", "SUCCEEDED"),
        *(("A6", f"refunds.{tool}", "SUCCEEDED") for tool in ("withdraw", "claw_back", "release")),
        ("A7", "refunds.release", "SUCCEEDED"),
    ]


@pytest.mark.timeout(240)
def test_month_end(world: World) -> None:
    """Each entry is in the period that the order of the log says, and every balance is that of posting one after the other."""
    serve(world, "month_end")
    first, again = follow(world, "month_end")
    assert first == again

    # Which plan was before the close is what the log says; which period an entry is in is what the tool wrote.
    sides = world.sql(
        "SELECT e.books, e.period, p.admitted_hlc < c.admitted_hlc, count(*), sum(e.amount)::bigint FROM tools_books.entry AS e "
        "JOIN motet.plans AS p USING (plan_id) "
        "JOIN (SELECT domain, admitted_hlc FROM motet.plans JOIN motet.calls USING (plan_id, domain) WHERE tool = 'books.close') AS c "
        "ON c.domain = e.books GROUP BY 1, 2, 3 ORDER BY 1, 2"
    )
    assert len({books for books, *_ in sides}) == 2
    assert [side[1:] for side in sides] == [(1, True, 1_800, 0), (2, False, 1_200, 0)] * 2

    # The close began when nothing before it was left, and nothing behind it began until the close was in the history.
    turns = world.sql(
        "SELECT p.domain, bool_and(c.started_hlc < b.started_hlc OR c.started_hlc > b.closed_hlc), "
        "count(*) FILTER (WHERE c.started_hlc < b.started_hlc), count(*) FILTER (WHERE c.started_hlc > b.closed_hlc) "
        "FROM motet.calls AS c JOIN motet.plans AS p USING (plan_id) JOIN (SELECT domain, min(started_hlc) AS started_hlc, "
        "max(committed_hlc) AS closed_hlc FROM motet.calls WHERE tool IN ('books.trial_balance', 'books.close') GROUP BY domain) AS b "
        "ON b.domain = p.domain WHERE c.tool IN ('books.accrue', 'books.interest') GROUP BY 1"
    )
    assert [turn[1:] for turn in turns] == [(True, 600, 600)] * 2

    held = 100_000
    for fee, basis_points in ((250, 25), (125, 10)):
        held -= fee
        held += held * basis_points // 10_000
    balances = world.sql(
        "SELECT balance, count(*) FROM (SELECT sum(amount)::bigint AS balance FROM tools_books.entry WHERE account ~ '^[0-9]+$' "
        "GROUP BY books, account) AS each GROUP BY balance"
    )
    assert balances == [(held, 600)]
    posted = world.sql(
        "SELECT count(*), count(DISTINCT (plan_id, index)) FROM motet.calls WHERE tool IN ('books.accrue', 'books.interest') "
        "AND status = 'SUCCEEDED'"
    )
    assert posted == [(2 * 1_200, 2 * 1_200)]


@pytest.mark.timeout(240)
def test_data_preparation(world: World) -> None:
    """A thousand calls are cleaned in plans that a quorum decides, no line is lost, and what is published has one digest at every run."""
    serve(world, "data_preparation")
    said = follow(world, "data_preparation")
    assert len({one.partition("sha256 ")[2] for one in said}) == 1

    published = world.sql("SELECT name, sales, cents, sha256 FROM tools_preparation.data_set")
    assert len(published) == 2
    for name, sales, cents, sha256 in published:
        assert f"published as {name}: 960 sales" in "".join(said)
        assert f"sha256 {sha256}" in said[0]
        rows = world.sql(
            "SELECT chunk, customer, day, cents FROM tools_preparation.prepared WHERE name = %s ORDER BY chunk, place",
            (name,),
        )
        assert (len(rows), sum(row[3] for row in rows)) == (sales, cents)
        assert Counter(row[0] for row in rows) == Counter(dict.fromkeys(range(4), 240))
        assert digest_of(rows) == sha256

    plans = world.sql(
        "SELECT p.status, p.quorum, p.calls, count(*) FILTER (WHERE c.status = 'SUCCEEDED') AS good FROM motet.plans AS p "
        "JOIN motet.calls AS c USING (plan_id) WHERE p.domain = 'preparation' AND p.batch = 'QUORUM' GROUP BY p.plan_id"
    )
    assert Counter(plan[:3] for plan in plans) == {("SUCCEEDED", 238, 250): 8, ("FAILED", 238, 250): 2}
    assert all((good >= quorum) == (status == "SUCCEEDED") for status, quorum, _, good in plans)


def digest_of(rows: list[Any]) -> str:
    """The digest of rows as the example's page describes it: of each chunk's lines, and of the chunks' digests."""
    chunks = [
        hashlib.sha256("".join(f"{who};{day};{cents}\n" for at, who, day, cents in rows if at == chunk).encode())
        for chunk in range(4)
    ]
    return hashlib.sha256("".join(one.hexdigest() for one in chunks).encode()).hexdigest()


@pytest.mark.timeout(240)
def test_incident(world: World, tmp_path: Path) -> None:
    """Whatever could not be taken back happened once, by the machines' own log; two doubts of one look were settled by what was so."""
    with outside(EXAMPLES / "incident" / "machines.py", tmp_path / "machines.log") as machines:
        serve(world, "incident", MACHINES_URL=machines.url)
        follow(world, "incident", MACHINES_URL=machines.url)
        done = Counter(machines.lines())

    incidents = sorted({line.split()[0] for line in done})
    assert len(incidents) == 2
    assert done == Counter(
        f"{incident} {what}"
        for incident in incidents
        for node in ("node-3", "node-7", "node-9")
        for what in (
            *(f"drain {node}", f"restart {node}", f"readmit {node}"),
            *(f"page grace {node} is ill", f"page grace {node} is well again"),
        )
    )

    settled = world.sql(
        "SELECT arguments ->> 'node', finding, status, attempt, settled_by FROM motet.calls WHERE tool = 'incident.restart' "
        "AND in_doubt_since IS NOT NULL ORDER BY 1, started_hlc"
    )
    assert settled == [
        *[("node-7", "HAPPENED", "SUCCEEDED", 1, "grace")] * 2,
        *[("node-9", "DID_NOT_HAPPEN", "FAILED", 1, "grace")] * 2,
    ]
    tried = world.sql(
        "SELECT DISTINCT attempt FROM motet.calls WHERE domain = 'incidents' AND effect = 'IRREVERSIBLE' AND started_at IS NOT NULL"
    )
    assert tried == [(1,)]
    assert world.sql("SELECT count(*) FROM motet.calls WHERE domain = 'incidents' AND in_doubt") == [(0,)]
