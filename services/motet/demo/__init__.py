"""The main job: real input through the whole platform, compared with a plain serial run of the same calls.

`dataset` reads the Berkeley Function Calling Leaderboard's multi-turn scenarios, `apis` holds its stateful classes, `toolsets`
offers them as tools, `plans` turns each turn into a plan, and `reference` runs the same calls one after another without Motet.
`bank` is the second half: transfers that fight over the same accounts, and what they must add up to.
"""
