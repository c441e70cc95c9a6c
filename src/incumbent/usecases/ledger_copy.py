"""A copy of a ledger and of what stands on it in a new SQLite file, whatever database it lives in: ground for `ledger attack`.

Rows are copied as they are stored, wrong ones too: what is wrong with the ledger is as wrong in the copy.
"""

# ruff: noqa: S608 (statements are put together from constants of this file)

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from incumbent.base.documents import document_bytes
from incumbent.usecases.ports import Transaction

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_COLUMNS = {
    "ledger_entries": "seq, act, object, at, body",
    "ledger_nodes": "level, idx, hash",
    "ledger_checkpoints": "size, at, note",
    "ledger_cosignatures": "size, line",
    "ledger_payloads": "commitment, salt, body",
    "records": "kind, record_id, subject, seq, digest, body",
    "models": "model, last_version",
    "model_versions": "model, version, bundle, run_id, key, manifest, created_at, actor, facts, ledger_seq",
    "placements": "slot, model, version, status, since_at, actor, reason, ledger_seq, is_current",
}
Row = tuple[Any, ...]


def copy_ledger(tx: Transaction, db: sqlite3.Connection) -> None:
    """Copy the ledger and all governed rows.

    Args:
        tx: A transaction on the workspace that is copied, of one moment.
        db: An empty database of ours, its triggers taken away (`ledger_attacks.without_triggers`).
    """
    checkpoints = tx.checkpoints.list_all()
    _insert(db, "ledger_entries", _entry_rows(tx))
    nodes = tx.ledger_rows.read_nodes(0, tx.ledger.size())
    _insert(db, "ledger_nodes", ((level, index, node) for level, found in nodes.items() for index, node in found))
    _insert(db, "ledger_checkpoints", ((known.size, _micros(known.at), known.note) for known in checkpoints))
    _insert(db, "ledger_cosignatures", ((known.size, line) for known in checkpoints for line in known.cosignatures))
    _insert(db, "ledger_payloads", ((payload.commitment, payload.salt, payload.text) for payload in tx.payloads.list_all()))
    records = (
        (record.kind, record.record_id, record.subject, record.seq, record.digest, document_bytes(record.body))
        for record in tx.records.read_all()[0]
    )
    _insert(db, "records", records)
    _copy_registry(tx, db)


def _entry_rows(tx: Transaction) -> Iterator[Row]:
    for page in tx.ledger_rows.read_entries():
        yield from page


def _copy_registry(tx: Transaction, db: sqlite3.Connection) -> None:
    versions = tx.registry.list_versions()
    newest: dict[str, int] = {}
    for version in versions:
        newest[version.model] = max(version.version, newest.get(version.model, 0))
    _insert(db, "models", newest.items())
    version_rows = (
        (
            found.model, found.version, _json(found.bundle.to_json()), found.run_id, found.key, found.manifest, _micros(found.created_at),
            found.actor, _json(dict(found.facts)), found.seq,
        ) for found in versions
    )  # fmt: skip
    _insert(db, "model_versions", version_rows)
    _insert(db, "placements", _placement_rows(tx))


def _placement_rows(tx: Transaction) -> Sequence[Row]:
    """Return the placements, oldest first."""
    return [
        (
            placed.slot, placed.model, placed.version, placed.status, _micros(placed.since_at), placed.actor, placed.reason, placed.seq,
            int(placed.is_current),
        ) for placed in reversed(tx.registry.list_placements())
    ]  # fmt: skip


def _insert(db: sqlite3.Connection, table: str, rows: Iterable[Row]) -> None:
    columns = _COLUMNS[table]
    places = ", ".join("?" for _ in columns.split(","))
    db.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
