"""The leaderboard's social network as tools, `posts.…`."""

from motet.demo.toolsets.api_toolset import api_toolset

tools = api_toolset("TwitterAPI")
