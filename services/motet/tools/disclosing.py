"""Personal values on their way into a tool and out of it: opened just before it runs, sealed as soon as it returned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from motet.chassis.canonical import canonical_json
from motet.chassis.subject_keys import KeysUnavailable
from motet.personal.marks import NotAsDeclared, Seal, filled, opened
from motet.personal.sealing import KeyErased, NoSuchKey, Sealer
from motet.personal.text import BEGIN
from motet.tools.failure import ToolFailed, TryAgain

SUBJECT_ERASED: Final = "SUBJECT_ERASED"
NOT_OPENED: Final = "NOT_OPENED"
KEYS_UNAVAILABLE: Final = "KEYS_UNAVAILABLE"


def as_given(arguments: str, schema: Any, subjects: Sequence[str], sealer: Sealer) -> str:
    """Arguments as the tool is given them, what `schema` marks opened, with every key at hand that its result will need: nothing has happened yet.

    Raises ToolFailed SUBJECT_ERASED or NOT_OPENED, TryAgain KEYS_UNAVAILABLE.
    """
    if not subjects and BEGIN not in arguments:
        return arguments
    try:
        values = json.loads(arguments)
        for subject in subjects:
            sealer.prepare(filled(subject, values))
        return canonical_json(opened(schema, values, sealer.unseal))
    except KeyErased as error:
        raise ToolFailed(str(error), SUBJECT_ERASED) from error
    except (NoSuchKey, NotAsDeclared) as error:
        raise ToolFailed(str(error), NOT_OPENED) from error
    except KeysUnavailable as error:
        raise TryAgain(str(error), KEYS_UNAVAILABLE) from error


def sealing(arguments: str, sealer: Sealer) -> Seal:
    """What seals the values of a call's result; its keys were prepared."""

    def seal(subject: str, value: Any) -> str:
        return sealer.seal(filled(subject, json.loads(arguments)), value)

    return seal
