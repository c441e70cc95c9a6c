"""The verbs `note` and `tag`: say something about a version. The version itself never changes; what is said is appended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.documents import Document
from incumbent.base.errors import InvalidInput
from incumbent.usecases.asked import asked
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import attempting, check_acting, governed, record_act
from incumbent.usecases.workspace import Workspace

NAME_CHARACTERS_MAX, TEXT_CHARACTERS_MAX = 100, 10_000


@dataclass(frozen=True, slots=True)
class VersionNote:
    """Something that somebody said of a version."""

    actor: str
    at: datetime
    text: str
    entry: int


@asked
def add_note(ws: Workspace, *, model: str, version: int, text: str) -> VersionNote:
    """Append a note to a version; the text is kept behind a commitment, so it can be erased.

    Raises:
        InvalidInput: The text is empty or too long.
        NotFound: There is no such version.
        Refused: The actor may not.
    """
    if not text.strip() or len(text) > TEXT_CHARACTERS_MAX:
        raise InvalidInput(f"a note has 1 to {TEXT_CHARACTERS_MAX:,} characters, not {len(text):,}")
    name = f"{model}@{version}"
    with attempting(ws, act="note", kind="version", object_id=name), governed(ws) as tx:
        acting = check_acting(ws, tx, "note")
        tx.registry.get_version(model, version)
        commitment = tx.payloads.keep(text.encode("utf-8", "replace"), ws.ids.salt())
        body: Document = {"kind": "note", "version": name, "text": commitment, "actor": acting.actor}
        entry = record_act(
            ws, tx, act="note", kind="note", object_id=ws.ids.new("note"), acting=acting, body=body,
            payloads={"text": commitment},
        )  # fmt: skip
    return VersionNote(acting.actor, entry.at, text, entry.seq)


@asked
def set_tag(ws: Workspace, *, model: str, version: int, name: str, value: str) -> None:
    """Tag a version; the newest value of a name holds, and the older ones stay in the ledger.

    Raises:
        InvalidInput: The name or the value is empty or too long.
        NotFound: There is no such version.
        Refused: The actor may not.
    """
    if not name.strip() or len(name) > NAME_CHARACTERS_MAX or len(value) > TEXT_CHARACTERS_MAX or not name.isprintable():
        raise InvalidInput(
            f"a tag has a printable name of 1 to {NAME_CHARACTERS_MAX} characters, and a value of at most {TEXT_CHARACTERS_MAX:,}"
        )
    version_name = f"{model}@{version}"
    with attempting(ws, act="tag", kind="version", object_id=version_name), governed(ws) as tx:
        acting = check_acting(ws, tx, "tag")
        tx.registry.get_version(model, version)
        body: Document = {"kind": "tag", "version": version_name, "name": name, "value": value}
        record_act(ws, tx, act="tag", kind="tag", object_id=f"{version_name} {name}", acting=acting, body=body)


def list_notes(tx: Transaction, version_name: str) -> Sequence[VersionNote]:
    """Return a version's notes, oldest first."""
    found = []
    for record in tx.records.list_all("note", subject=version_name):
        entry = tx.ledger.get(record.seq)
        text = tx.payloads.find(str(record.body["text"])).text
        shown = "(erased)" if text is None else text.decode("utf-8", "replace")
        found.append(VersionNote(entry.draft.actor.actor_id, entry.at, shown, entry.seq))
    return found


def find_tags(tx: Transaction, version_name: str) -> Mapping[str, str]:
    """Return a version's tags as they are now."""
    return {str(record.body["name"]): str(record.body["value"]) for record in tx.records.list_all("tag", subject=version_name)}
