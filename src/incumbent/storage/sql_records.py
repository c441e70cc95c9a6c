"""Governed documents in SQL: each under the ledger entry that names its digest."""

from collections.abc import Sequence

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import document_bytes, parse_document
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.storage.cells import to_bytes, to_text
from incumbent.storage.session import Row, Session
from incumbent.usecases.governed_ports import Record

_COLUMNS = "kind, record_id, subject, seq, digest, body"
_NEWEST = "NOT EXISTS (SELECT 1 FROM records AS newer WHERE newer.kind = r.kind AND newer.record_id = r.record_id AND newer.seq > r.seq)"


class SqlRecords:
    """Documents by kind, id and entry."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, record: Record) -> None:
        """Append a document under the entry that names its digest."""
        cells = (to_text(record.kind, "kind"), to_text(record.record_id, "record id"), to_text(record.subject, "subject"), record.seq)
        self._session.run(
            f"INSERT INTO records ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", (*cells, record.digest, document_bytes(record.body))
        )

    def find(self, kind: str, record_id: str) -> Record | None:
        """Return the newest of a kind and id. Raises Corrupt if its bytes are not what its digest says."""
        sql = f"SELECT {_COLUMNS} FROM records WHERE kind = ? AND record_id = ? ORDER BY seq DESC LIMIT 1"
        row = self._session.one(sql, (kind, record_id))
        return None if row is None else _record(row)

    def list_all(self, kind: str, *, subject: str | None = None) -> Sequence[Record]:
        """Return the newest of each id of a kind (about a subject), oldest first."""
        condition, values = ("", (kind,)) if subject is None else (" AND r.subject = ?", (kind, subject))
        sql = f"SELECT {_COLUMNS} FROM records AS r WHERE r.kind = ?{condition} AND {_NEWEST} ORDER BY r.seq"
        return [_record(row) for row in self._session.all(sql, values)]

    def list_history(self, kind: str | None = None, record_id: str | None = None) -> Sequence[Record]:
        """Return every document of an id, of a kind, or of all, oldest first."""
        given = [(column, value) for column, value in (("kind", kind), ("record_id", record_id)) if value is not None]
        where = " AND ".join(f"{column} = ?" for column, _ in given)
        sql = f"SELECT {_COLUMNS} FROM records {'WHERE ' + where if where else ''} ORDER BY seq"
        return [_record(row) for row in self._session.all(sql, tuple(value for _, value in given))]

    def read_all(self) -> tuple[list[Record], list[tuple[str, str]]]:
        """Return every document that is whole, oldest first, and (kind and id, what is wrong) of each that is not."""
        whole: list[Record] = []
        damaged: list[tuple[str, str]] = []
        for row in self._session.all(f"SELECT {_COLUMNS} FROM records ORDER BY seq, kind, record_id"):
            try:
                whole.append(_record(row))
            except Corrupt as error:
                damaged.append((f"{row[0]} {row[1]}", str(error)))
        return whole, damaged


def _record(row: Row) -> Record:
    kind, record_id, subject, seq, digest, body = row
    data = to_bytes(body)
    if digest_bytes(data, "sha256") != digest:
        raise Corrupt(f"{kind} {record_id} (entry {seq}) is not what was recorded: its bytes do not have digest {digest}")
    try:
        record = Record(kind, record_id, seq, digest, parse_document(data))
        own = record.subject
    except InvalidInput as error:
        raise Corrupt(f"{kind} {record_id} (entry {seq}) does not parse: {error}") from error
    if subject != own:
        raise Corrupt(
            f"{kind} {record_id} (entry {seq}) stands under subject {str(subject)[:80]!r}, and its document is about {own[:80]!r}"
        )
    return record
