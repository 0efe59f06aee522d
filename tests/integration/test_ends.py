"""The table of `tests/ends.py`: every fault and its end, with real processes, real kills, and the outside witness."""

from __future__ import annotations

import pytest

import ends
from causes import CAUSES
from causes.stage import SECONDS, Stage, stage
from ends import ROWS, Row
from motet.audit.ledger_tables import LedgerTables
from motet.audit.reading import audit
from motet.chassis.codec import Codec
from motet.chassis.log_reader import Bounds, LogReader
from motet.chassis.offsets import Place
from motet.chassis.registry import Registry
from motet.chassis.settings import Settings
from motet.chassis.waiting import wait_until
from motet.platform import Addresses
from motet.projector.rebuild import rebuild

__all__ = ["stage"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.fault}-{row.effect}-{row.policy}".replace(" ", "_"))
def test_a_fault_has_its_end(stage: Stage, row: Row) -> None:
    """Outcome, reason and what the witness counts are as they were written down."""
    if stage.host.child.poll() is not None:
        stage.tools()
    outcome = CAUSES[row.fault](stage, row)
    first = outcome.results[0]
    said = first.status if first.error_code is None else f"{first.status} {first.error_code}"
    shown = said if " " in row.call else first.status
    assert (shown, outcome.status) == (row.call, row.plan), outcome
    wait_until(lambda: stage.effects(outcome.plan_id) >= row.effects, SECONDS, f"{row.effects} effects")
    assert stage.effects(outcome.plan_id) == row.effects
    stage.check_states(outcome.plan_id)


@pytest.fixture(scope="module", autouse=True)
def before(provisioned: Addresses) -> dict[Place, Bounds]:
    """Where the topics ended before these tests: what other files wrote there, forged records among it, is not theirs."""
    log = LogReader(provisioned.kafka)
    try:
        return log.bounds(log.places()[1])
    finally:
        log.close()


@pytest.mark.last
def test_an_audit_finds_nothing_wrong(stage: Stage, settings: Settings, before: dict[Place, Bounds]) -> None:
    """After all these faults and kills every record keeps every fact."""
    stage.world.await_no_lag("coordinator", "projector")
    log, registry = LogReader(settings.kafka_bootstrap), Registry(settings.schema_registry_url)
    try:
        found = audit(log, Codec(registry), lambda *_: None, ledgers=LedgerTables(settings.postgres_url))
    finally:
        log.close()
        registry.close()
    nothing = Bounds(0, 0)
    own = [one for one in found.findings if one.offset >= before.get((one.topic, one.partition), nothing).end]
    assert own == []
    assert found.rules["compensations"].checked > 0
    assert found.rules["ledgers"].checked > 0


@pytest.mark.last
def test_the_tables_built_again_are_equal(stage: Stage, settings: Settings) -> None:
    """After all these faults a projection built from offset 0 is the live one, row by row."""
    stage.world.await_no_lag("coordinator", "projector")
    told = rebuild(settings, lambda *_: None)
    assert told.events > 0
    assert {name: one for name, one in told.tables.items() if one.only_live or one.only_rebuilt} == {}


def test_every_row_is_done_and_every_doing_has_a_row() -> None:
    """A fault without a test would be a claim."""
    assert CAUSES.keys() == {row.fault for row in ROWS}


def test_the_document_is_the_table() -> None:
    """What people read is what was tested."""
    assert ends.DOCUMENT.read_text() == ends.document()
