"""Leases on one Redis server (7 or later), with Lua scripts, which it runs one at a time. Needs `motet[leases-redis]`.

A request is a hash that expires, and its id a member of the line of each of its resources, by its number in the order of arrival. Who is
first in all its lines is granted, and then gets its token from a counter. What expired in a line is taken out by whoever looks next.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any, Final

import redis

from motet.client.leases.interface import BadRequest, Holding, Lease, LeaseError, LeaseLost, NotGranted

LOOK_SECONDS: Final = 0.05
MILLISECONDS: Final = 1_000
# In each script KEYS[1] is the prefix of everything; the keys follow from it, so it works on one server and not on a cluster.
# Takes out of a line those whose request is gone; returns who is first.
FIRST: Final = """
local function first(resource)
    local line = KEYS[1] .. 'line:' .. resource
    while true do
        local id = redis.call('ZRANGE', line, 0, 0)[1]
        if not id or redis.call('EXISTS', KEYS[1] .. 'lease:' .. id) == 1 then return id end
        redis.call('ZREM', line, id)
    end
end
"""
ENTER: Final = """
local number = redis.call('INCR', KEYS[1] .. 'arrivals')
local request = KEYS[1] .. 'lease:' .. ARGV[1]
redis.call('HSET', request, 'holder', ARGV[2], 'token', 0)
redis.call('PEXPIRE', request, ARGV[3])
for i = 4, #ARGV do redis.call('ZADD', KEYS[1] .. 'line:' .. ARGV[i], number, ARGV[1]) end
"""
TRY: Final = (
    FIRST
    + """
for i = 3, #ARGV do if first(ARGV[i]) ~= ARGV[1] then return nil end end
local token = redis.call('INCR', KEYS[1] .. 'tokens')
redis.call('HSET', KEYS[1] .. 'lease:' .. ARGV[1], 'token', token)
redis.call('PEXPIRE', KEYS[1] .. 'lease:' .. ARGV[1], ARGV[2])
return {token, redis.call('PEXPIRETIME', KEYS[1] .. 'lease:' .. ARGV[1])}
"""
)
RENEW: Final = """
if redis.call('HGET', KEYS[1] .. 'lease:' .. ARGV[1], 'token') ~= ARGV[2] then return 0 end
redis.call('PEXPIRE', KEYS[1] .. 'lease:' .. ARGV[1], ARGV[3])
return redis.call('PEXPIRETIME', KEYS[1] .. 'lease:' .. ARGV[1])
"""
RELEASE: Final = """
if redis.call('HGET', KEYS[1] .. 'lease:' .. ARGV[1], 'token') ~= ARGV[2] then return 0 end
for i = 3, #ARGV do redis.call('ZREM', KEYS[1] .. 'line:' .. ARGV[i], ARGV[1]) end
return redis.call('DEL', KEYS[1] .. 'lease:' .. ARGV[1])
"""
HOLDER: Final = (
    FIRST
    + """
local id = first(ARGV[1])
if not id then return nil end
local request = KEYS[1] .. 'lease:' .. id
return {redis.call('HGET', request, 'holder'), redis.call('HGET', request, 'token'), redis.call('PEXPIRETIME', request)}
"""
)


class RedisLeases:
    """Leases of one scope for one holder on the Redis server at a URL, such as redis://127.0.0.1:6379/0.

    A holder is granted when it looks, every 50 ms while it waits.
    """

    def __init__(self, url: str, scope: str, holder: str) -> None:
        self.server = redis.Redis.from_url(url, decode_responses=True)
        self.prefix = f"motet:leases:{scope}:"
        self.who = holder
        self.pause = threading.Event()
        scripts = (ENTER, TRY, RENEW, RELEASE, HOLDER)
        self.scripts = {script: self.server.register_script(script) for script in scripts}

    def close(self) -> None:
        """Ends the connections."""
        self.server.close()

    # -- the interface -----------------------------------------------------------------------------------------------------

    def acquire(self, resources: Sequence[str], *, duration_seconds: float, wait_seconds: float = 0.0) -> Lease:
        """All resources or none, in the order of arrival. Raises NotGranted, BadRequest."""
        names = tuple(sorted(set(resources)))
        if not names or not 0 < duration_seconds < math.inf or not 0 <= wait_seconds < math.inf:
            raise BadRequest("a lease needs a resource, a duration above 0 and a wait of 0 or more")
        until = time.monotonic() + wait_seconds
        lease_id = uuid.uuid4().hex
        self.run(ENTER, lease_id, self.who, milliseconds(wait_seconds + 1), *names)
        while not (granted := self.run(TRY, lease_id, milliseconds(duration_seconds), *names)):
            if time.monotonic() >= until:
                self.run(RELEASE, lease_id, 0, *names)
                raise NotGranted(f"{', '.join(names)}: not within {wait_seconds:g} s")
            self.pause.wait(LOOK_SECONDS)
        return Lease(lease_id, names, self.who, int(granted[0]), int(granted[1]) / MILLISECONDS)

    def renew(self, lease: Lease, duration_seconds: float) -> Lease:
        """The lease, held from now on for so long. Raises LeaseLost, BadRequest."""
        if not 0 < duration_seconds < math.inf:
            raise BadRequest(f"duration_seconds is {duration_seconds:g}; it is above 0")
        expires_at = int(self.run(RENEW, lease.lease_id, lease.token, milliseconds(duration_seconds)))
        if not expires_at:
            raise lost(lease)
        return Lease(lease.lease_id, lease.resources, lease.holder, lease.token, expires_at / MILLISECONDS)

    def release(self, lease: Lease) -> None:
        """Gives a lease back. Raises LeaseLost."""
        if not self.run(RELEASE, lease.lease_id, lease.token, *lease.resources):
            raise lost(lease)

    def holder(self, resource: str) -> Holding | None:
        """Who holds a resource."""
        found = self.run(HOLDER, resource)
        if not found or not int(found[1]):
            return None
        return Holding(resource, found[0], int(found[1]), int(found[2]) / MILLISECONDS)

    def run(self, script: str, *arguments: str | int) -> Any:
        """One script. Raises LeaseError where Redis does not answer."""
        try:
            return self.scripts[script](keys=[self.prefix], args=list(arguments))
        except redis.RedisError as error:
            raise LeaseError(f"Redis does not answer: {error}") from error


def milliseconds(seconds: float) -> int:
    """A duration as Redis takes it."""
    return max(1, math.ceil(seconds * MILLISECONDS))


def lost(lease: Lease) -> LeaseLost:
    """What is raised for a lease that is over."""
    return LeaseLost(f"lease {lease.lease_id} is over, or has another token than {lease.token}: ask for a new one")
