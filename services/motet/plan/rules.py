"""The versions of the rules that plans are decided by. A new rule is for new plans: those that were admitted before go on as they began.

A plan has the version that was current when it was admitted: its row keeps it, the journal says so, and code that decides another thing since
asks `plan.rules >= N`. How to make a rule:

    1. Raise CURRENT by one, and say in CHANGES what is decided otherwise.
    2. Ask for the version where it is decided; what was decided before stays there as well.
    3. Run the golden histories (`tests/golden`): plans of earlier versions are decided as they were.

A version that no open plan has any more may leave the code once no history that is to be replayed has it either. The journal
(`Merged.rules`) says by which version a batch was admitted, so a replay admits by that one, and refuses what was refused then.
"""

from __future__ import annotations

from typing import Final

CURRENT: Final = 4
CHANGES: Final[dict[int, str]] = {
    1: "The rules as they were when versions of them began.",
    2: "The host of a hybrid plan says which call of it is in doubt, to the host of the lines.",
    3: "Who holds and who waits is told of calls that end early, of compensations in line, and of late ends.",
    4: "An admission says the plan's shape and the version of its rules.",
}
