"""Resource queues in log order: who may go on, and who waits. Pure."""

from motet.resources.queues import Queues, merged, strongest

__all__ = ["Queues", "merged", "strongest"]
