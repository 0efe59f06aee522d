"""Resource queues in log order: who may go on, and who waits. Pure."""

from motet.resources.names import is_whole, whole_before
from motet.resources.queues import Queues, merged

__all__ = ["Queues", "is_whole", "merged", "whole_before"]
