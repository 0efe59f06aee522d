"""One event loop in a thread of its own, shared by all async tools of a host.

A loop for each call would close the connections that an author's HTTP client keeps between calls. The threads of the host's pool
wait for their coroutine here, so the pool's size bounds async tools as it bounds sync ones.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from motet.tools.failure import TIMED_OUT, Unclear, exited

Result = TypeVar("Result")


class EventLoopThread:
    """A running event loop; a context manager. `run` may be called from any thread but the loop's own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="motet-async-tools", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Result], timeout_seconds: float) -> Result:
        """Runs a coroutine to its end and returns its result or raises its error.

        Beyond the limit it is cancelled and, once it has ended, ToolFailed TIMED_OUT is raised.
        """
        limited = within(coroutine, timeout_seconds)
        try:
            return asyncio.run_coroutine_threadsafe(limited, self._loop).result()
        except RuntimeError:
            # A closed loop never takes the coroutine, which would warn of it later, somewhere else.
            if self._loop.is_closed():
                limited.close()
                coroutine.close()
            raise

    def close(self) -> None:
        """Cancels what still runs, waits for it, and ends the thread."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


async def within(coroutine: Coroutine[Any, Any, Result], timeout_seconds: float) -> Result:
    """A coroutine's result, or ToolFailed TIMED_OUT beyond the limit. The coroutine's own TimeoutError passes as it is."""
    limit = asyncio.timeout(timeout_seconds)
    try:
        async with limit:
            return await coroutine
    except SystemExit as error:
        # It would end the loop itself, and with it every other call that waits there.
        raise exited(error) from error
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Unclear(f"the tool took longer than its limit of {timeout_seconds:g} seconds", TIMED_OUT) from error


async def _cancel_others() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
