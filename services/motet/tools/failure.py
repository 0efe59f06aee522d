"""The one error that a tool's author raises: this call failed, for this reason, for good."""

from __future__ import annotations

import re

from motet.chassis.errors import MotetError

CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
MAXIMUM_MESSAGE_CHARACTERS = 4000

# Codes that Motet gives itself.
FAILED = "FAILED"
INVALID_ARGUMENTS = "INVALID_ARGUMENTS"
INVALID_RESULT = "INVALID_RESULT"
TIMED_OUT = "TIMED_OUT"
EXITED = "EXITED"


class ToolFailed(MotetError):
    """The call failed and nobody tries again: message and code become part of the plan's history.

    The code is one word for programs, such as INSUFFICIENT_FUNDS; the message a sentence for models and people. A message that no
    record could carry is made one that can: lone surrogates are replaced, and what is beyond 4,000 characters is cut off.
    """

    def __init__(self, message: str, code: str = FAILED) -> None:
        text = _carriable(message)
        if not isinstance(code, str) or not CODE.fullmatch(code):
            raise ValueError(
                f"the code {code!r} of a failed tool is not a word in capitals of at most 64 characters, such as "
                f"INSUFFICIENT_FUNDS (its message: {text})"
            )
        super().__init__(text)
        self.message = text
        self.code = code


def exited(error: SystemExit) -> ToolFailed:
    """What becomes of `sys.exit` in a tool."""
    return ToolFailed(f"the tool called sys.exit({error.code!r}); a tool returns, or raises ToolFailed", EXITED)


def _carriable(message: object) -> str:
    # PostgreSQL's text and jsonb refuse the null character, and UTF-8 has no lone surrogates.
    text = str(message).encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
    if len(text) <= MAXIMUM_MESSAGE_CHARACTERS:
        return text
    return text[: MAXIMUM_MESSAGE_CHARACTERS - 1] + "…"
