"""The leaderboard's mathematics, which has no state, as tools, `maths.…`."""

from motet.demo.toolsets.api_toolset import api_toolset

tools = api_toolset("MathAPI")
