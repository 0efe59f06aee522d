"""Contracts that are published: a service whose code would break their callers does not start, and says what to do."""

from __future__ import annotations

import json
from pathlib import Path

from terminal import terminal
from world import World

TOOLS = '''
from motet import Toolset

tools = Toolset("orders{number}")


@tools.tool(effect="pure", version={version}{more})
def order({arguments}) -> str:
    """Orders something."""
    return "done"
'''


def written(world: World, name: str, version: int, arguments: str, more: str = "") -> str:
    """A toolset's file; its name is this test's own."""
    path = world.directory / name
    number = world.tenant[1:9]
    path.write_text(TOOLS.format(number=number, version=version, arguments=arguments, more=more))
    return str(path)


def test_a_service_that_would_break_the_callers_of_a_published_contract_does_not_start(world: World) -> None:
    """It says what breaks and three ways out; with one of them it starts, and `motet tools` shows the same before anybody tries."""
    first = written(world, "first.py", 1, "sku: str")
    world.tools(first).stop()
    shell = terminal(world)
    try:
        tool = f"orders{world.tenant[1:9]}.order"
        assert [tool, "1", "pure"] in [line.split()[:3] for line in shell.run("motet tools list").splitlines()]
        assert json.loads(shell.run(f"motet tools show {tool} --as model"))["function"]["name"] == tool.replace(
            ".", "__"
        )

        changed = written(world, "changed.py", 1, "sku: str, count: int = 1")
        broken = written(world, "broken.py", 2, "sku: str, account: str")
        said = {}
        for module in (changed, broken):
            refused = world.start(Path(module).stem, "tools", "serve", module)
            assert refused.await_end() != 0
            said[module] = refused.said()
            assert shell.run(f"motet tools check {module} >/dev/null; echo $?").strip() == "1"
        assert "give the tool version=2" in said[changed]
        assert "argument /account is required and is new" in said[broken]
        assert "breaking=True" in said[broken]

        (one,) = (one for one in json.loads(shell.run(f"motet tools diff {broken} --json")) if one["version"] == 2)
        assert one["breaks"] == ["argument /account is required and is new: give it a default"]

        wider = written(world, "wider.py", 2, "sku: str, account: str = 'house'")
        meant = written(world, "meant.py", 3, "account: str", ", breaking=True")
        for module in (wider, meant):
            assert "the service starts" in shell.run(f"motet tools check {module}")
            world.tools(module).stop()
        assert shell.run(f"motet tools diff {meant} {meant}").strip() == "no difference"
    finally:
        shell.close()
