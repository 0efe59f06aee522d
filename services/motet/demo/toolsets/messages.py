"""The leaderboard's workspace messages as tools, `messages.…`."""

from motet.demo.toolsets.api_toolset import api_toolset

tools = api_toolset("MessageAPI")
