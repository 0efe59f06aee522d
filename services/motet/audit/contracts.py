"""A plan is admitted by contracts that are in the log, and a version of a contract never says two things."""

from __future__ import annotations

from motet.audit.rule import Found, Hears, Rule
from motet.audit.stored import Stored


class Contracts(Rule):
    """Each call of an admitted plan names a contract that was published in its partition before, and a version has one content."""

    name = "contracts"
    advice = 'look at who published it: `motet sql "SELECT name, version, published_at FROM contracts"`, and at the tool service\'s deployments'

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        self.published: dict[tuple[str, int], str] = {}
        # Whether the log lacks its beginning, and contracts may be there.
        self.partial = False

    def hears(self) -> Hears:
        """Contracts and admissions."""
        return {"ToolContract": self.publish, "PlanAdmitted": self.admitted}

    def publish(self, record: Stored) -> None:
        """A version of a contract."""
        self.checked += 1
        data = record.data
        before = self.published.setdefault((data["name"], data["version"]), data["sha256"])
        if before != data["sha256"]:
            said = f"version {data['version']} of {data['name']} has the SHA-256 {data['sha256'][:12]}…, and had {before[:12]}… before"
            self.wrong(record, said)

    def admitted(self, record: Stored) -> None:
        """A plan's calls name contracts."""
        self.checked += 1
        for index, call in enumerate(record.data["calls"]):
            if (call["tool"], call["contract_version"]) not in self.published and not self.partial:
                said = f"call {index} is admitted by version {call['contract_version']} of {call['tool']}, which nobody had published there"
                self.wrong(record, said)
                return
