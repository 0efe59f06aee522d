"""`motet new`: writes a small project that works: one agent, two tools, tests, a compose file."""

from motet.starting.writing import write

__all__ = ["write"]
