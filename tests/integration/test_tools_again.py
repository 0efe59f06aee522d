"""A toolset's code is held to what it did: its transactional tools run again over the log, and the first record that differs is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from motet.client import Call
from terminal import terminal
from world import World

# Kept in a file that the test changes, as an author would.
CODE: Final = '''"""Accounts with a journal."""

from motet import Context, ToolFailed, Toolset

tools = Toolset(
    "ledger{suffix}",
    schema="CREATE TABLE IF NOT EXISTS account (tenant text, name text, balance bigint NOT NULL, PRIMARY KEY (tenant, name))",
)


@tools.tool(effect="transactional", writes="account:{{name}}")
def move(context: Context, name: str, amount: int) -> int:
    """Changes a balance, which is never below 0, and returns it."""
    row = context.connection.execute(
        "INSERT INTO account VALUES (%s, %s, greatest(%s, 0)) ON CONFLICT (tenant, name) DO UPDATE "
        "SET balance = account.balance + %s RETURNING balance", (context.tenant, name, amount, amount)
    ).fetchone()
    if row is None or row[0] < 0:
        raise ToolFailed(f"account {{name}} has not so much", code="INSUFFICIENT_FUNDS")
    return int(row[0])


@tools.tool(effect="idempotent")
def tell(context: Context, name: str) -> str:
    """Tells somebody, and leaves a line that says so."""
    with open({told!r}, "a") as lines:
        lines.write(context.key + "\\n")
    return name.upper()
'''


@pytest.mark.timeout(180)
def test_the_code_of_today_does_what_was_done(world: World, tmp_path: Path) -> None:
    """Equal as it is; what is outside happens to nobody again; a change is named by the first result that it alters, or by its contract."""
    told, module = tmp_path / "told", tmp_path / "ledger_tools.py"
    code = CODE.format(suffix=world.tenant, told=str(told))
    module.write_text(code)
    world.coordinator()
    world.tools(str(module))
    with world.client() as client:
        plans = [
            client.submit(
                [
                    Call(f"ledger{world.tenant}.move", {"name": f"a{number % 7}", "amount": amount})
                    for amount in (number, -3, number * 2)
                ]
                + [Call(f"ledger{world.tenant}.tell", {"name": f"a{number}"})],
                domain=f"d{number % 7}",
            )
            for number in range(40)
        ]
        outcomes = [plan.wait() for plan in plans]
    assert {one.status for one in outcomes} == {"SUCCEEDED", "FAILED"}
    lines = told.read_text()
    assert len(lines.splitlines()) == sum(one.status != "SKIPPED" for out in outcomes for one in out.results[3:])
    shell = terminal(world)
    try:
        found = json.loads(shell.run(f"motet replay {module} --json"))
        assert found["equal"] is True, found
        assert found["records"] > 100
        # Again with the same end: whatever it made is gone.
        assert "differs" not in shell.run(f"motet replay {module}")
        assert world.sql("SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%%replay'") == [(0,)]
        assert told.read_text() == lines

        module.write_text(code.replace("return int(row[0])", "return int(row[0]) + (amount > 60)"))
        said = shell.run(f"motet replay {module}")
        assert "differs in record.calls[0].result" in said, said
        assert "motet.results.CallsFinished" in said

        module.write_text(code.replace("Changes a balance, which is never below 0", "Changes a balance"))
        said = shell.run(f"motet replay {module}; echo exit $?")
        assert "motet.contracts.ToolContract" in said, said
        assert "record.description" in said
        assert said.endswith("exit 1\n")
    finally:
        shell.close()
    assert told.read_text() == lines
