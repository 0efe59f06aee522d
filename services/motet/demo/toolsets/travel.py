"""The leaderboard's travel agency as tools, `travel.…`."""

from motet.demo.toolsets.api_toolset import api_toolset

tools = api_toolset("TravelAPI")
