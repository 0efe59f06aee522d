"""Version vectors, pure: records that several regions write, each without asking the others."""

from motet.versions.replica import Replica, Sibling
from motet.versions.vector import BadVector, Vector

__all__ = ["BadVector", "Replica", "Sibling", "Vector"]
