"""The command line: the one place that puts settings, services and servers together."""

from motet.cli.app import main

__all__ = ["main"]
