"""Keys in memory and drafts of acts, for tests of what is governed. The keys are real Ed25519; only the folder is missing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import Document, document_bytes
from incumbent.base.errors import Conflict, NotFound
from incumbent.ledger.entry import Actor, Draft, Entry, ObjectRef
from incumbent.ledger.note import key_text
from incumbent.registry.model import ModelVersion, Placement
from incumbent.usecases.governed_ports import Keys, Record
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)
LOG = "incumbent-test"


class MemoryKeys:
    """The `Keys` port."""

    def __init__(self) -> None:
        self._private: dict[str, Ed25519PrivateKey] = {}

    def make(self, name: str) -> bytes:
        if name in self._private:
            raise Conflict(name)
        self._private[name] = Ed25519PrivateKey.generate()
        return self._private[name].public_key().public_bytes_raw()

    def find(self, name: str) -> bytes | None:
        return self.list_names().get(name)

    def list_names(self) -> dict[str, bytes]:
        return {name: key.public_key().public_bytes_raw() for name, key in self._private.items()}

    def sign(self, public: bytes, data: bytes) -> bytes:
        for key in self._private.values():
            if key.public_key().public_bytes_raw() == public:
                return key.sign(data)
        raise NotFound("not on this machine")


def begin(tx: Transaction, keys: Keys, at: datetime = AT) -> Entry:
    """Append the first entry of a ledger."""
    public = keys.find("ledger") or keys.make("ledger")
    return tx.ledger.append(Draft("begin", ObjectRef("ledger", LOG), Actor("me"), after=key_text(public)), at)


def append(tx: Transaction, name: str = "note x", at: datetime = AT, **fields: object) -> Entry:
    """Append an entry about a thing: "kind id"."""
    kind, _, object_id = name.partition(" ")
    known: dict[str, object] = {"act": "note", "object": ObjectRef(kind, object_id), "actor": Actor("me")}
    return tx.ledger.append(Draft(**{**known, **fields}), at)  # type: ignore[arg-type]


def put(tx: Transaction, kind: str, record_id: str, body: Document) -> Record:
    """Append an entry and the document that it makes."""
    found = digest_bytes(document_bytes(body), "sha256")
    entry = append(tx, f"{kind} {record_id}", object=ObjectRef(kind, record_id, found))
    record = Record(kind, record_id, entry.seq, found, body)
    tx.records.put(record)
    return record


def add(tx: Transaction, version: ModelVersion) -> ModelVersion:
    """Add a version under the next number, on an entry of its own."""
    number = tx.registry.take_number(version.model)
    added = replace(version, version=number, seq=append(tx, f"version {version.model}@{number}").seq)
    tx.registry.add_version(added)
    return added


def place(tx: Transaction, placement: Placement) -> Placement:
    """Place on an entry of its own."""
    placed = replace(placement, seq=append(tx, f"placement {placement.slot} {placement.model}@{placement.version}").seq)
    tx.registry.place(placed)
    return placed


@contextmanager
def tampering(ws: Workspace) -> Iterator[sqlite3.Connection]:
    """The database's file without its triggers, which are put back."""
    with closing(sqlite3.connect(ws.folder / "incumbent.db", isolation_level=None)) as db:
        rules = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in rules:
            db.execute(f'DROP TRIGGER "{name}"')
        yield db
        for _, sql in rules:
            db.execute(sql)
