"""The ledger in SQL: entries, the tree's complete nodes, checkpoints, and texts behind commitments.

Writers take turns (SQLite has one writer; on PostgreSQL an advisory lock is held until the transaction ends). `seal` runs last
in a transaction that appended: it stores the nodes and one checkpoint, signed, over all that the transaction added.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from incumbent.base.errors import Corrupt, NotFound, Refused
from incumbent.ledger.clock import CLOCK, CLOCK_SLACK, tell_backwards
from incumbent.ledger.entry import Draft, Entry, commit, encode_entry, format_time, parse_entry
from incumbent.ledger.merkle import Node, Tree, frontier_places
from incumbent.ledger.note import checkpoint_body, parse_key, signature_line, write_note
from incumbent.storage.cells import from_micros, to_bytes, to_micros
from incumbent.storage.session import Row, Session
from incumbent.usecases.governed_ports import Checkpoint, Keys, Payload

_LOCK = 0x1EDC_E4
_READ_ROWS = 2_048
"""A page: enough that asking costs nothing beside the rows, and little enough to forget again."""
TENANT = "default"
_BEFORE_ALL = -(2**63)
"""Below every number that a row can have, so that one which nobody should have written is read, too."""


def _never(_last: Entry) -> bool:
    return False


class SqlLedger:
    """Appending to and reading the log of one database."""

    def __init__(self, session: Session, keys: Keys) -> None:
        self._session = session
        self._keys = keys
        self._is_locked = False
        self._last: Entry | None = None
        self._tree: Tree | None = None
        self._nodes: list[Node] = []
        self._ruling: list[bytes] = []
        self._at: datetime | None = None

    def lock(self) -> None:
        """Become the only writer until the transaction ends."""
        if not self._is_locked and self._session.dialect == "postgresql":
            self._session.all("SELECT 1 FROM (SELECT pg_advisory_xact_lock(?)) AS taken", (_LOCK,))
        self._is_locked = True

    def append(self, draft: Draft, at: datetime, *, may_lag: Callable[[Entry], bool] = _never) -> Entry:
        """Append an entry. The first one of all has to begin the ledger: its `after` is the key that signs."""
        self.lock()
        if self._tree is None:
            self._open()
        assert self._tree is not None
        seq = self._tree.size
        if (seq == 0) != (draft.act == "begin"):
            raise Refused("a ledger begins with the act 'begin', once")
        log = draft.object.object_id if self._last is None else self._last.log
        if self._last is not None and at < self._last.at:
            if self._last.at - at > CLOCK_SLACK:
                if not may_lag(self._last):
                    raise Refused(tell_backwards(at, self._last.at))
                draft = replace(draft, refs={**draft.refs, CLOCK: format_time(at)})
            at = self._last.at
        entry = encode_entry(draft, log=log, tenant=TENANT, seq=seq, at=at)
        self._session.run(
            "INSERT INTO ledger_entries (seq, at, act, object, body) VALUES (?, ?, ?, ?, ?)",
            (seq, to_micros(at), draft.act, draft.object.name, entry.body),
        )
        self._nodes += self._tree.append(entry.body)
        self._last, self._at = entry, at
        if draft.act in {"begin", "rotate-key"}:
            self._ruling = [*self._ruling, parse_key(draft.after)]
        return entry

    def seal(self) -> None:
        """Store the nodes and the signed checkpoint of what this transaction appended; nothing, if it appended nothing."""
        if not self._nodes:
            return
        assert self._tree is not None
        assert self._last is not None
        assert self._at is not None
        rows = [(node.level, node.index, node.hash) for node in self._nodes]
        self._session.many("INSERT INTO ledger_nodes (level, idx, hash) VALUES (?, ?, ?)", rows)
        body = checkpoint_body(self._last.log, self._tree.size, self._tree.root())
        # A rotation leaves two: the key that ruled until now vouches for the one that follows it.
        lines = [signature_line(self._last.log, public, self._keys.sign(public, body)) for public in self._ruling]
        self._session.run(
            "INSERT INTO ledger_checkpoints (size, at, note) VALUES (?, ?, ?)",
            (self._tree.size, to_micros(self._at), write_note(body, lines)),
        )
        self._nodes = []
        self._ruling = self._ruling[-1:]

    def size(self) -> int:
        """Return how many entries there are."""
        row = self._session.one("SELECT COALESCE(max(seq), -1) + 1 FROM ledger_entries")
        return int(row[0]) if row else 0

    def get(self, seq: int) -> Entry:
        """Return one entry. Raises NotFound."""
        row = self._session.one("SELECT body FROM ledger_entries WHERE seq = ?", (seq,))
        if row is None:
            raise NotFound(f"the ledger has no entry {seq}; it has {self.size()}, from 0 on")
        return parse_entry(to_bytes(row[0]))

    def read(self, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the exact bytes of entries from `first` up to, not including, `end`."""
        for page in _pages(self._session, "SELECT seq, body FROM ledger_entries WHERE seq > ? ORDER BY seq LIMIT ?", first - 1):
            for seq, body in page:
                if end is not None and seq >= end:
                    return
                yield body if type(body) is bytes else to_bytes(body)

    def find(
        self, *, object_name: str | None = None, act: str | None = None, before: int | None = None, limit: int = 100
    ) -> Sequence[Entry]:
        """Return entries about an object or of an act, with numbers below `before`, newest first."""
        asked = (("object = ?", object_name), ("act = ?", act), ("seq < ?", before))
        given = [(term, value) for term, value in asked if value is not None]
        where = " AND ".join(term for term, _ in given)
        sql = f"SELECT body FROM ledger_entries {'WHERE ' + where if where else ''} ORDER BY seq DESC LIMIT ?"
        return [parse_entry(to_bytes(row[0])) for row in self._session.all(sql, (*(value for _, value in given), limit))]

    def get_node(self, level: int, index: int) -> bytes:
        """Return a complete node's hash. Raises Corrupt when it is not there."""
        row = self._session.one("SELECT hash FROM ledger_nodes WHERE level = ? AND idx = ?", (level, index))
        if row is None:
            raise Corrupt(f"the ledger's tree has no node {level}/{index}; `incumbent ledger verify` says what else is wrong")
        return to_bytes(row[0])

    def _open(self) -> None:
        size = self.size()
        self._tree = Tree(size, [self.get_node(level, index) for level, index in frontier_places(size)])
        if size:
            self._last = self.get(size - 1)
            self._ruling = [self._find_ruling_key()]

    def _find_ruling_key(self) -> bytes:
        newest = next(iter(self.find(act="rotate-key", limit=1)), None) or self.get(0)
        return parse_key(newest.draft.after)


class SqlLedgerRows:
    """The ledger as it is stored, page by page."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def read_entries(self) -> Iterator[Sequence[tuple[int, str, str, int, bytes]]]:
        """Yield pages of (seq, act, object, time in microseconds, exact bytes), in the order of seq."""
        sql = "SELECT seq, act, object, at, body FROM ledger_entries WHERE seq > ? ORDER BY seq LIMIT ?"
        for page in _pages(self._session, sql, _BEFORE_ALL):
            yield [(seq, str(act), str(name), at, body if type(body) is bytes else to_bytes(body)) for seq, act, name, at, body in page]

    def read_nodes(self, before: int, after: int) -> Mapping[int, Sequence[tuple[int, bytes]]]:
        """Return level -> (index, hash) of the stored nodes that growing from `before` to `after` leaves completes."""
        sql = "SELECT idx, hash FROM ledger_nodes WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx"
        found = {}
        for level in range(after.bit_length()):
            first, end = before >> level, after >> level
            if first < end:
                found[level] = [
                    (index, node if type(node) is bytes else to_bytes(node)) for index, node in self._session.all(sql, (level, first, end))
                ]
        return found

    def count_nodes(self) -> int:
        """Return how many nodes are stored."""
        row = self._session.one("SELECT count(*) FROM ledger_nodes")
        return int(row[0]) if row else 0

    def read_checkpoints(self) -> Iterator[Sequence[tuple[int, int, str, bool]]]:
        """Yield pages of (size, time in microseconds, note without cosignatures, whether it has any), in the order of size."""
        is_cosigned = "EXISTS (SELECT 1 FROM ledger_cosignatures c WHERE c.size = k.size)"
        sql = f"SELECT size, at, note, {is_cosigned} FROM ledger_checkpoints k WHERE size > ? ORDER BY size LIMIT ?"
        for page in _pages(self._session, sql, _BEFORE_ALL):
            yield [(size, at, str(note), bool(cosigned)) for size, at, note, cosigned in page]


def _pages(session: Session, sql: str, last: int) -> Iterator[list[Row]]:
    """Yield pages of the rows behind `last`; the first column is what they are ordered by."""
    while page := session.all(sql, (last, _READ_ROWS)):
        yield page
        last = page[-1][0]


class SqlCheckpoints:
    """Checkpoints by size."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, size: int | None = None) -> Checkpoint | None:
        """Return the checkpoint of a size, or the newest."""
        if size is None:
            rows = self._session.all("SELECT size, at, note FROM ledger_checkpoints ORDER BY size DESC LIMIT 1")
        else:
            rows = self._session.all("SELECT size, at, note FROM ledger_checkpoints WHERE size = ?", (size,))
        for found, at, note in rows:
            lines = self._session.all("SELECT line FROM ledger_cosignatures WHERE size = ? ORDER BY line", (found,))
            return Checkpoint(found, note, from_micros(at), tuple(line for (line,) in lines))
        return None

    def list_all(self) -> Sequence[Checkpoint]:
        """Return all, oldest first."""
        lines: dict[int, list[str]] = {}
        for size, line in self._session.all("SELECT size, line FROM ledger_cosignatures ORDER BY size, line"):
            lines.setdefault(size, []).append(line)
        rows = self._session.all("SELECT size, at, note FROM ledger_checkpoints ORDER BY size")
        return [Checkpoint(size, note, from_micros(at), tuple(lines.get(size, ()))) for size, at, note in rows]

    def cosign(self, size: int, line: str) -> None:
        """Keep a witness's cosignature; the same line again is no error."""
        self._session.run("INSERT INTO ledger_cosignatures (size, line) VALUES (?, ?) ON CONFLICT (size, line) DO NOTHING", (size, line))


class SqlPayloads:
    """Texts behind commitments, until they are erased."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def keep(self, text: bytes, salt: bytes) -> str:
        """Keep a text and return its commitment."""
        commitment = commit(text, salt)
        self._session.run(
            "INSERT INTO ledger_payloads (commitment, salt, body) VALUES (?, ?, ?) ON CONFLICT (commitment) DO NOTHING",
            (commitment, salt, text),
        )
        return commitment

    def find(self, commitment: str) -> Payload:
        """Return a text, or what is left of it. Raises Corrupt when it is not what was committed to."""
        row = self._session.one("SELECT salt, body FROM ledger_payloads WHERE commitment = ?", (commitment,))
        if row is None:
            return Payload(commitment, None, None)
        salt, text = to_bytes(row[0]), to_bytes(row[1])
        if len(salt) != 32 or commit(text, salt) != commitment:
            raise Corrupt(f"the text behind {commitment} is not what was committed to")
        return Payload(commitment, salt, text)

    def erase(self, commitment: str) -> None:
        """Erase text and salt for ever. Raises NotFound when there is nothing to erase."""
        if self._session.run("DELETE FROM ledger_payloads WHERE commitment = ?", (commitment,)) == 0:
            raise NotFound(f"no text is kept behind {commitment[:80]!r}")

    def list_all(self) -> Sequence[Payload]:
        """Return all that are not erased, as they stand."""
        rows = self._session.all("SELECT commitment, salt, body FROM ledger_payloads ORDER BY commitment")
        return [Payload(commitment, to_bytes(salt), to_bytes(text)) for commitment, salt, text in rows]
