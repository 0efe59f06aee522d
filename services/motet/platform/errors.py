"""What can go wrong with the platform.

PlatformError
├── PlatformNotRunning   nothing runs under the directory: `motet up`
└── PlatformFailed       a server or service did not come up; the message has its last log lines
"""

from __future__ import annotations


class PlatformError(Exception):
    """Root of the platform's errors."""


class PlatformNotRunning(PlatformError):
    """Nothing runs under the directory."""


class PlatformFailed(PlatformError):
    """Something did not come up."""
