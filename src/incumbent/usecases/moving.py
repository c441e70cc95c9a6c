"""Moving a version from one status to another in a slot: the table is asked, and the entry and the row are written together."""

import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from incumbent.base.errors import Corrupt, NotFound
from incumbent.registry.model import ModelVersion, Placement, Status
from incumbent.registry.slot import find_status, has_been_live
from incumbent.registry.transitions import State, check_transition
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import Acting, record_act
from incumbent.usecases.signing import Signed
from incumbent.usecases.workspace import Workspace


def check_move(tx: Transaction, version: ModelVersion, slot: str, to: Status, act: str) -> State:
    """Return the status that a version has in a slot, if it may have another one by this act. Raises Refused."""
    history = tx.registry.list_placements(slot)
    name = (version.model, version.version)
    now = find_status(history, name)
    shown = f"{version.model}@{version.version}"
    check_transition(now, to, act, version=shown, slot=slot, has_been_live=has_been_live(history, name))
    return now


def move(
    ws: Workspace,
    tx: Transaction,
    *,
    acting: Acting,
    act: str,
    version: ModelVersion,
    slot: str,
    to: Status,
    reason: str,
    refs: Mapping[str, str] | None = None,
    at: datetime | None = None,
    signed: Signed | None = None,
    may_lag: bool = False,
) -> Placement:
    """Give a version another status in a slot, in the transaction that the ledger's turn was taken in.

    Raises:
        Refused: The table of transitions has no such arrow; the message says what is legal.
        Conflict: Another version is in Production there.
    """
    shown = f"{version.model}@{version.version}"
    now = check_move(tx, version, slot, to, act)
    entry = record_act(
        ws,
        tx,
        act=act,
        kind="placement",
        object_id=f"{slot} {shown}",
        acting=acting,
        digest=str(version.bundle.digest),
        refs=refs,
        before=now,
        after=to,
        reason=signed.reason if signed else reason,
        at=at,
        statement=signed.statement if signed else None,
        payloads=signed.payloads if signed else None,
        may_lag=may_lag,
    )
    shown_reason = entry.draft.reason or f"in ledger entry {entry.seq}"  # a long one can be erased there, and rows cannot
    placement = Placement(slot, version.model, version.version, to, entry.at, acting.actor, shown_reason, entry.seq, act)
    tx.registry.place(placement)
    return placement


def verify_bundle(ws: Workspace, version: ModelVersion) -> None:
    """Read every byte of a version's bundle and hold it to its digests. Raises Corrupt, also where bytes are gone."""
    scratch = ws.folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=scratch) as folder:
        try:
            ws.codecs.decode(version.bundle, Path, ws.blobs, Path(folder))
        except NotFound as error:  # damaged bytes are put aside when they are first read
            raise Corrupt(f"the bundle of {version.model}@{version.version} is not all there: {error}") from error
