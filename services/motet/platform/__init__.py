"""Real Kafka, PostgreSQL and schema registry on this machine, and Motet's services beside them, as supervised child processes.

`Platform.up` starts a supervisor (`supervise`) that owns everything under one directory, and waits until each part was verified by a
real request. Servers of your own are used instead where their address is set.
"""

from motet.platform.errors import PlatformError, PlatformFailed, PlatformNotRunning
from motet.platform.layout import Addresses, ServiceSpec
from motet.platform.running import Platform, ProcessStatus

__all__ = [
    "Addresses",
    "Platform",
    "PlatformError",
    "PlatformFailed",
    "PlatformNotRunning",
    "ProcessStatus",
    "ServiceSpec",
]
