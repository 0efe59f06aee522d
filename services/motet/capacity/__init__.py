"""How much of everything a load needs, and what that costs: a pure model, fed with what `motet bench` measured and held to it.

`costs` has what one call costs each part of the system, `model` makes a topology of it, `price` says what that costs, and `simulated` looks
at what averages hide: keys that are asked for more often than others, on thousands of partitions.
"""
