"""The leaderboard's trading account as tools, `trading.…`."""

from motet.demo.toolsets.api_toolset import api_toolset

tools = api_toolset("TradingBot")
