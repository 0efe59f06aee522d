"""The demo's tool services, a module each: `motet tools serve motet.demo.toolsets.trading` runs one.

Eight offer the leaderboard's API classes, `bank` is the one that plans fight over.
"""
