"""The two words of a tool's author, and what everything else means.

    MotetError
    ├── ToolFailed   final: the effect did not happen, and nobody tries again
    │   └── VersionConflict   (`motet.tools.versions`) something was written meanwhile; tried again only if the tool rereads
    ├── TryAgain     the effect did not happen, and another attempt may succeed: the coordinator tries again
    ├── Cancelled    the call was told to stop before it did anything (`Context.check`): nobody tries again
    └── Unknown      nobody can tell whether the effect happened (`motet.tools.http`): as any other exception

Any other exception, a time limit, a lost heartbeat, a crash and a result that breaks its schema say nothing about the effect. What they
mean, the effect class says:

| effect | what is known | what follows |
|---|---|---|
| pure, transactional | nothing happened (a transaction is rolled back) | tried again after a time limit; after an exception the call has failed |
| idempotent | nothing | tried again with the same key; in doubt after the last attempt |
| reconcilable | nothing | its `reconcile` function is asked: happened, did not happen (tried again), or in doubt |
| irreversible | nothing | the call is in doubt until somebody settles it, and never tried again by itself |
"""

from __future__ import annotations

import math
import re
from typing import Final

from motet.chassis.errors import MotetError

CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
MAXIMUM_MESSAGE_CHARACTERS: Final = 4000

# Codes that Motet gives itself.
FAILED: Final = "FAILED"
INVALID_ARGUMENTS: Final = "INVALID_ARGUMENTS"
INVALID_RESULT: Final = "INVALID_RESULT"
TIMED_OUT: Final = "TIMED_OUT"
EXITED: Final = "EXITED"
TRY_AGAIN: Final = "TRY_AGAIN"
HEARTBEAT_LOST: Final = "HEARTBEAT_LOST"
CRASHED: Final = "CRASHED"
STOPPED: Final = "STOPPED"
MAXIMUM_DELAY_SECONDS: Final = 86_400.0


class ToolFailed(MotetError):
    """Final: the effect did not happen, and no attempt will be made again. Message and code become part of the plan's history.

    The code is one word for programs, such as INSUFFICIENT_FUNDS; the message a sentence for models and people. A message that no
    record could carry is made one that can: lone surrogates are replaced, and what is beyond 4,000 characters is cut off.
    """

    def __init__(self, message: str, code: str = FAILED) -> None:
        self.message, self.code = _checked(message, code)
        super().__init__(self.message)


class Unclear(ToolFailed):
    """Motet's own: the tool had begun, and what it left behind only its effect class can say (a time limit, a wrong result)."""


class TryAgain(MotetError):
    """This attempt had no effect, and another one may succeed, at the earliest after `delay_seconds` (0 to 86,400).

    How often, and how long the waits are, the tool's contract says; after the last attempt the call fails with this message and code.
    """

    def __init__(self, message: str, code: str = TRY_AGAIN, delay_seconds: float | None = None) -> None:
        self.message, self.code = _checked(message, code)
        if delay_seconds is not None and not _is_delay(delay_seconds):
            raise ValueError(
                f"delay_seconds {delay_seconds!r} is not a number from 0 to {MAXIMUM_DELAY_SECONDS:g} (its message: {self.message})"
            )
        super().__init__(self.message)
        self.delay_seconds = delay_seconds


class Cancelled(MotetError):
    """The call was told to stop and had done nothing yet. `Context.check` raises it.

    It says that nothing happened, and the call ends CANCELLED: ask before the effect, never behind it. A tool that has begun its effect
    ends it, or undoes it and raises ToolFailed.
    """


class Unknown(MotetError):
    """Nobody can tell whether the effect happened: a request went out, and no answer came that says so.

    To the host it is any other exception: the effect class says what follows. A pure tool, which left nothing behind, may declare
    `retry_on=(Unknown,)` to be tried again.
    """


def exited(error: SystemExit) -> Unclear:
    """What becomes of `sys.exit` in a tool."""
    return Unclear(f"the tool called sys.exit({error.code!r}); a tool returns, or raises ToolFailed", EXITED)


def _is_delay(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and 0 <= value <= MAXIMUM_DELAY_SECONDS


def _checked(message: object, code: str) -> tuple[str, str]:
    text = _carriable(message)
    if not isinstance(code, str) or not CODE.fullmatch(code):
        raise ValueError(
            f"the code {code!r} is not a word in capitals of at most 64 characters, such as "
            f"INSUFFICIENT_FUNDS (its message: {text})"
        )
    return text, code


def _carriable(message: object) -> str:
    # PostgreSQL's text and jsonb refuse the null character, and UTF-8 has no lone surrogates.
    text = str(message).encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    if len(text) <= MAXIMUM_MESSAGE_CHARACTERS:
        return text
    return text[: MAXIMUM_MESSAGE_CHARACTERS - 1] + "…"
