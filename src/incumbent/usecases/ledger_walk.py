"""One walk over the stored ledger, for what no export shows: the tree's nodes, the columns, and the root of every checkpoint.

Rows come in pages and are forgotten again; what is kept is the tree's frontier, one hash a level. The root of each checkpoint is
computed as the walk passes its size, from the entries alone, and held against the first lines of the note. Signatures are not
looked at here: a root that agrees with the entries says nothing new, whoever signed it.
"""

import base64
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from json.encoder import encode_basestring

from incumbent.ledger.merkle import EMPTY_ROOT
from incumbent.ledger.report import Findings, TooMuch
from incumbent.usecases.ports import Transaction

ROOTS, NODES, COLUMNS = 7, 102, 103
"""The checks that a walk finds fault with, by number."""
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Walk:
    """A walk on its way.

    Attributes:
        findings: What is wrong, by the number of the check.
        size: How many entries there were.
        is_whole: It came to the end.
    """

    def __init__(self, tx: Transaction, log: str) -> None:
        self.findings = Findings()
        self.size = 0
        self.is_whole = False
        self._rows, self._log, self._fail = tx.ledger_rows, log, self.findings.fail
        self._frontier: list[bytes] = []
        self._notes = itertools.chain.from_iterable(tx.ledger_rows.read_checkpoints())
        self._next: tuple[int, int, str, bool] | None = None
        self._at: int | None = None

    def run(self) -> None:
        """Walk from the first entry to the last. So much may be wrong that the rest is not read."""
        try:
            self._advance()
            while self._next is not None and self._next[0] < 1:
                self._check_root(b"")
            for page in self._rows.read_entries():
                self._take(page)
            while self._next is not None:
                self._fail(ROOTS, f"a checkpoint covers {self._next[0]} entries, and there are {self.size}: the end was cut off")
                self._advance()
            wanted, found = 2 * self.size - self.size.bit_count(), self._rows.count_nodes()
            if found > wanted:
                self._fail(NODES, f"{found} nodes are stored, and {self.size} entries complete {wanted}")
            self.is_whole = True
        except TooMuch:
            return

    def _advance(self) -> None:
        self._next = next(self._notes, None)

    def _take(self, page: Sequence[tuple[int, str, str, int, bytes]]) -> None:
        """Take in a page of entries: grow the tree, and compare what is stored beside them."""
        before, frontier = self.size, self._frontier
        made: list[list[bytes]] = [[] for _ in range((before + len(page)).bit_length())]
        for seq, act, name, at, body in page:
            if not _says(body, act, name):
                self._fail(COLUMNS, f"entry {seq} stands under act {act[:80]!r} and object {name[:80]!r}, and its bytes say otherwise")
            if not _says_time(body, at):
                self._fail(COLUMNS, f"entry {seq} stands under another time than its bytes say")
            self._at = at
            node = sha256(b"\x00" + body).digest()  # written out, here and below, for a call costs as much as the hash
            made[0].append(node)
            self.size = completed = self.size + 1
            level = 0
            while not completed & 1:
                node = sha256(b"\x01" + frontier.pop() + node).digest()
                completed >>= 1
                level += 1
                made[level].append(node)
            frontier.append(node)
            if self._next is not None and self._next[0] == self.size:
                self._check_root(self._root())
        self._compare_nodes(before, made)

    def _root(self) -> bytes:
        *rest, found = self._frontier
        for left in reversed(rest):
            found = sha256(b"\x01" + left + found).digest()
        return found

    def _check_root(self, root: bytes) -> None:
        assert self._next is not None
        size, at, note, _ = self._next
        if at != self._at:
            self._fail(COLUMNS, f"the checkpoint of {size} entries stands under another time than the last of them")
        if not note.startswith(f"{self._log}\n{size}\n{base64.b64encode(root or EMPTY_ROOT).decode()}\n\n"):
            self._fail(ROOTS, f"the checkpoint of {size} entries does not say so, or they are not those that were signed")
        self._advance()

    def _compare_nodes(self, before: int, made: Sequence[Sequence[bytes]]) -> None:
        stored = self._rows.read_nodes(before, self.size)
        for level, hashes in enumerate(made):
            first = before >> level
            wanted = list(enumerate(hashes, first))
            if list(stored.get(level, ())) == wanted:
                continue
            there = dict(stored.get(level, ()))
            for index, node in wanted:
                if index not in there:
                    self._fail(NODES, f"node {level}/{index} is not there")
                elif there[index] != node:
                    self._fail(NODES, f"node {level}/{index} is another than that of the entries below it")


def _says(body: bytes, act: str, name: str) -> bool:
    """Say whether an entry's bytes state this act and this object.

    Every string of an entry has its quotes escaped, and what comes before the object are strings: the first place where the
    object's beginning stands is the object.
    """
    kind, _, object_id = name.partition(" ")
    start = body.find(b',"object":{"digest":')
    end = body.find(b'},"payloads":', start)
    told = f',"id":{encode_basestring(object_id)},"kind":"{kind}"'.encode("utf-8", "backslashreplace")
    return start > 0 and body.startswith(b'{"act":"%s",' % act.encode("utf-8", "backslashreplace")) and body.endswith(told, start, end)


def _says_time(body: bytes, at: int) -> bool:
    """Say whether an entry's bytes state this time. Before it come the act, the actor and `after`, whose quotes are escaped."""
    start = body.find(b',"at":"') + len(b',"at":"')
    try:
        stated = datetime.fromisoformat(body[start : body.index(b'"', start)].decode())
        return (stated - _EPOCH) // _MICROSECOND == at
    except (ValueError, TypeError):  # no time, or one without a zone
        return False
