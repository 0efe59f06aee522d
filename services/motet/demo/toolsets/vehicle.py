"""The leaderboard's vehicle control as tools, `vehicle.…`."""

from motet.demo.toolsets.api_toolset import api_toolset

tools = api_toolset("VehicleControlAPI")
