"""The demo's tool services, a module each: `motet tools serve motet.demo.toolsets.trading` runs one.

Eight offer the leaderboard's API classes, `bank` is the one that plans fight over.
"""

from typing import Final

MODULES: Final = tuple(
    f"motet.demo.toolsets.{name}"
    for name in ("filesystem", "maths", "messages", "posts", "tickets", "trading", "travel", "vehicle", "bank")
)
