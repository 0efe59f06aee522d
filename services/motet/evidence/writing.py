"""A bundle as files: the records and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence

from motet.evidence import report
from motet.evidence.bundle import KEYS, MANIFEST, NOTE, REPORT, SCHEMAS, Bundle, manifest
from motet.evidence.reading import Told


def files_of(bundle: Bundle, told: Sequence[Told]) -> dict[str, bytes]:
    """Every file of a bundle, by name."""
    files = {item.name: item.content() for item in bundle.items}
    files |= {f"{SCHEMAS}{schema_id}.avsc": content.encode() for schema_id, content in bundle.schemas.items()}
    files |= report.contract_files(told)
    files[NOTE], files[KEYS] = bundle.note.encode(), bundle.keys.encode()
    files[REPORT] = report.write(bundle.plan_id, told, bundle.note).encode()
    files[MANIFEST] = manifest(bundle.plan_id, files)
    return files
