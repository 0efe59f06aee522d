"""The world that tools change: accounts, and a ledger of every effect, in the order in which they happened.

The order of effects on an account must be that of the lines (`rank`), whatever else happens: writes after everything that ranks below
them, additions after writes and reads below them. What was done to it stays in the ledger, which is compared with a serial run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from motet.simulation.tools import ACCOUNTS, read
from motet.simulation.violations import Violation

MODULUS: Final = 1_000_003
REFUSED: Final = "REFUSED"
COMMUTING: Final = ("bank.add", "bank.flip")
READING: Final = ("bank.look", "bank.audit", "bank.pick", "post.note")
WHOLE: Final = ("bank.audit", "bank.sweep")
FREE: Final = ("post.send", "post.note", "bank.pick", "post.print", "post.shred")


class Account:
    """A balance that remembers the order of what was written, and a sum that does not."""

    __slots__ = ("commuted", "holders", "looked", "number", "total", "written")

    def __init__(self) -> None:
        self.number = 0
        self.total = 0
        # The highest rank of each kind of access so far.
        self.written = -1
        self.looked = -1
        self.commuted = dict.fromkeys(COMMUTING, -1)
        # Who used it since the last write, the writer first, each with how.
        self.holders: list[tuple[Any, str]] = []


def change(numbers: dict[str, int], totals: dict[str, int], tool: str, arguments: str) -> str:
    """What a tool does to accounts, and its result. Pure but for the accounts: the world and the serial oracle both run it."""
    key, to, n = read(arguments)
    number = numbers.get(key, 0)
    if tool == "bank.look":
        return f"[{number},{totals.get(key, 0)}]"
    if tool in COMMUTING:
        totals[key] = totals.get(key, 0) + n if tool == "bank.add" else totals.get(key, 0) ^ n
        return "null"
    if tool in FREE:
        return f'"{ACCOUNTS[n % len(ACCOUNTS)]}"' if tool == "bank.pick" else "0"
    if tool in WHOLE:
        return change_all(numbers, totals, tool, n)
    if tool == "bank.draw" and number % 7 < 2:  # noqa: PLR2004  as good a rule as any
        return REFUSED
    number = numbers[key] = (number * 31 + n + len(tool)) % MODULUS
    if tool == "bank.move" and to != key:
        numbers[to] = (numbers.get(to, 0) * 37 + n) % MODULUS
    return str(number)


def touched(tool: str, arguments: str) -> Sequence[str]:
    """The accounts that a tool uses."""
    if tool in WHOLE:
        return ACCOUNTS
    key, to, _ = read(arguments)
    return (key, to) if tool == "bank.move" and to != key else (key,)


def change_all(numbers: dict[str, int], totals: dict[str, int], tool: str, n: int) -> str:
    """What a tool does that uses every account."""
    if tool == "bank.sweep":
        for key in ACCOUNTS:
            numbers[key] = (numbers.get(key, 0) * 41 + n) % MODULUS
    seen = 0
    for key in ACCOUNTS:
        seen = (seen * 31 + numbers.get(key, 0) + totals.get(key, 0)) % MODULUS
    return str(seen)


class World:
    """All accounts of all domains."""

    def __init__(self) -> None:
        self.numbers: dict[str, dict[str, int]] = {"d": {}, "e": {}}
        self.totals: dict[str, dict[str, int]] = {"d": {}, "e": {}}
        self.accounts: dict[tuple[str, str], Account] = {}
        # By call key: the rank of the effect, its domain, tool, arguments, result, plan and index.
        self.effects: dict[str, tuple[int, str, str, str, str, str, int]] = {}

    def result_of(self, key: str) -> str | None:
        """What an effect returned; None if it did not happen."""
        found = self.effects.get(key)
        return None if found is None else found[4]

    def act(self, key: str, watch: Any, index: int, rank: int, tool: str, arguments: str) -> str:
        """A tool acts, and its result. Raises Violation where an effect happens twice or out of turn."""
        domain = watch.domain
        if tool in READING:
            if tool not in FREE:
                for name in touched(tool, arguments):
                    self.look(watch, rank, name)
            return change(self.numbers[domain], self.totals[domain], tool, arguments)
        if key in self.effects:
            raise Violation("P2", f"{tool} of {watch.name} happened twice, call {index} with key {key[:8]}")
        if tool not in FREE:
            for name in touched(tool, arguments):
                self.turn(watch, index, rank, tool, name)
        result = change(self.numbers[domain], self.totals[domain], tool, arguments)
        self.effects[key] = (rank, domain, tool, arguments, result, watch.plan_id, index)
        return result

    def look(self, watch: Any, rank: int, name: str) -> None:
        """A reader. One that was given up may come late and is never heard, so its turn is judged by its result."""
        account = self.account(watch.domain, name)
        account.looked = max(account.looked, rank)
        account.holders.append((watch, "READ"))

    def turn(self, watch: Any, index: int, rank: int, tool: str, name: str) -> None:
        """Holds an access to the order of the lines, and to the plans that keep what they used."""
        account = self.account(watch.domain, name)
        commutes = tool in COMMUTING
        before = max(account.written, account.looked)
        for other_tool, commuted in account.commuted.items():
            if other_tool != tool and commuted > before:
                before = commuted
        if rank < before:
            where = f"account:{name} of domain {watch.domain}"
            raise Violation("P3", f"{where}: call {index} of {watch.name} acts behind one that comes after it in line")
        for other, mode in account.holders:
            if other is not watch and other.keeps and not other.ended and mode != tool:
                where = f"account:{name} of domain {watch.domain}"
                raise Violation("P3", f"{where}: {watch.name} changes what {other.name} used and has not let go")
        if commutes:
            account.commuted[tool] = max(account.commuted[tool], rank)
            account.holders.append((watch, tool))
        else:
            account.written = rank
            account.holders = [(watch, "WRITE")]

    def account(self, domain: str, name: str) -> Account:
        """An account; it is there from the beginning of time."""
        found = self.accounts.get((domain, name))
        if found is None:
            found = self.accounts[domain, name] = Account()
        return found
