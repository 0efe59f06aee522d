"""What can go wrong with the platform; a person acts on each.

MotetError
└── PlatformError
    ├── PlatformNotRunning   nothing runs under the directory: `motet up`
    └── PlatformFailed       a server or service did not come up; the message has its last log lines
"""

from __future__ import annotations

from motet.chassis.errors import MotetError


class PlatformError(MotetError):
    """Root of the platform's errors."""


class PlatformNotRunning(PlatformError):
    """Nothing runs under the directory."""


class PlatformFailed(PlatformError):
    """Something did not come up."""
