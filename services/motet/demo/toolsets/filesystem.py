"""The leaderboard's file system as tools, `filesystem.…`."""

from motet.demo.toolsets.api_toolset import api_toolset

tools = api_toolset("GorillaFileSystem")
