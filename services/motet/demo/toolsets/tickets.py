"""The leaderboard's support tickets as tools, `tickets.…`."""

from motet.demo.toolsets.api_toolset import api_toolset

tools = api_toolset("TicketAPI")
