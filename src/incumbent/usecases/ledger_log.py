"""The verbs `ledger log`, `show` and `checkpoint`: read entries, one entry in full, and the signed note that an auditor keeps."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from incumbent.base.documents import Json
from incumbent.base.errors import Corrupt, InvalidInput, NotFound
from incumbent.ledger.entry import Entry
from incumbent.ledger.primitives import covers_words
from incumbent.usecases.governed_ports import Checkpoint
from incumbent.usecases.workspace import Workspace

LIMIT_MAX = 1_000_000
NO_LEDGER = "the ledger is empty: the first governed act (`incumbent register`, `incumbent users add`, …) begins it"


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry and what stands outside of it.

    Attributes:
        statement: What the actor signed, decoded; None for an act that carries no statement. Reading is not verifying.
        texts: Name -> the text behind the commitment; None where it was erased, or was never kept here.
        is_newest: No entry came after it so far.
    """

    entry: Entry
    statement: Json
    texts: Mapping[str, str | None]
    is_newest: bool

    @property
    def is_reason_signed(self) -> bool | None:
        """Whether the statement covers the reason that the entry gives; None where nothing was signed, or no reason is given.

        Statements of before 2026-11-26 left it out: there it is the word of whoever holds the ledger's key.
        """
        draft = self.entry.draft
        if self.statement is None or not (draft.reason or "reason" in draft.payloads):
            return None
        predicate = self.statement.get("predicate") if isinstance(self.statement, dict) else None
        return isinstance(predicate, dict) and covers_words(predicate)


def list_entries(
    ws: Workspace, *, object_name: str | None = None, act: str | None = None, before: int | None = None, limit: int = 50
) -> Sequence[Entry]:
    """Return entries about an object ("version m@1") or of an act, with numbers below `before`, newest first.

    Raises:
        InvalidInput: The limit is no positive number.
    """
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(f"--limit {limit}: expected 1 to {LIMIT_MAX}")
    with ws.store.begin(read_only=True) as tx:
        return tx.ledger.find(object_name=object_name, act=act, before=before, limit=limit)


def get_entry(ws: Workspace, seq: int) -> ShownEntry:
    """Return one entry with its statement and its texts.

    Raises:
        NotFound: There is no such entry.
        Corrupt: Its bytes are no entry, or a text is not what was committed to.
    """
    if not 0 <= seq < 2**53:
        raise NotFound(f"the ledger has no entry {seq}: entries are numbered from 0")
    with ws.store.begin(read_only=True) as tx:
        entry, size = tx.ledger.get(seq), tx.ledger.size()
        texts = {name: tx.payloads.find(commitment).text for name, commitment in sorted(entry.draft.payloads.items())}
    shown = {name: None if text is None else text.decode("utf-8", "replace") for name, text in texts.items()}
    return ShownEntry(entry, _decode_statement(entry), shown, seq + 1 == size)


def _decode_statement(entry: Entry) -> Json:
    envelope = entry.draft.statement
    if envelope is None:
        return None
    try:
        decoded: Json = json.loads(base64.b64decode(str(envelope["payload"]), validate=True))
    except (KeyError, ValueError, RecursionError) as error:
        raise Corrupt(f"the statement of entry {entry.seq} is no DSSE envelope of JSON: {error}") from error
    return decoded


def get_checkpoint(ws: Workspace, size: int | None = None) -> Checkpoint:
    """Return the checkpoint of a size, or the newest.

    Raises:
        NotFound: There is none.
    """
    with ws.store.begin(read_only=True) as tx:
        found = tx.checkpoints.find(size)
        if found is None and size is not None and tx.ledger.size():
            raise NotFound(f"no checkpoint was signed at {size} entries; each transaction ends with one")
    if found is None:
        raise NotFound(NO_LEDGER)
    return found


def full_note(checkpoint: Checkpoint) -> str:
    """Return a checkpoint's signed note with the cosignatures of its witnesses."""
    lines = "".join(line if line.endswith("\n") else f"{line}\n" for line in checkpoint.cosignatures)
    return f"{checkpoint.note}{lines}"
