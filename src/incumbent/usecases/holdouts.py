"""The verbs on holdouts: frozen evaluation data by digest, and how often each was looked at.

A holdout is a budget. Every evaluation on it is a look, and a look is in the ledger before its result is known; so is each look
by other models, since what is reused is the data: a copy with other rows' order, column names or some rows less has the same
budget. That is found when a holdout is frozen, by comparing its rows with those of every other (holdout_rows.py), and stands in
its document as `shares`. Holdouts that were both frozen before this was done share a budget only where their bytes are the same,
until one that shares rows with both is frozen.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from incumbent.base.artifact import Artifact, artifact_from_json
from incumbent.base.digest import Digest
from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound
from incumbent.registry.names import check_model_name
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.holdout_rows import SHARED_MIN, Rows, digest_table, share_of_rows
from incumbent.usecases.ports import Transaction
from incumbent.usecases.recording import Acting, attempting, check_acting, governed, record_act
from incumbent.usecases.register import find_output
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Holdout:
    """Frozen evaluation data.

    Attributes:
        artifact: The table, by digest.
        rows: How many rows it has.
        looks: How often it was looked at, by whatever model; looks at data that share its rows count too.
        shares: The holdouts, frozen before it, whose rows it shares.
        unread: Those whose rows could no longer be read when it was frozen, so nothing is known about them.
        cells_digest: Digest of its rows, free of their order and of the columns' names; None if it was frozen before that was kept.
    """

    name: str
    artifact: Artifact
    rows: int
    columns: tuple[str, ...]
    run_id: str
    registered_at: datetime
    actor: str
    looks: int
    shares: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    cells_digest: str | None = None


def register_holdout(ws: Workspace, *, name: str, run: str, artifact: str) -> Holdout:
    """Freeze a table that a run gave as a holdout. The name stands for these bytes for ever.

    Args:
        ws: The workspace.
        name: What policies call it.
        run: Id of a finished run, or 6 or more characters of its beginning.
        artifact: Which of its outputs.

    Raises:
        InvalidInput: The name is not legal, or the output is no table, or has no rows.
        NotFound: No such run or output.
        Conflict: The name stands for other data; or another holdout was frozen meanwhile, and this one was not compared with it.
        Refused: The run is not sealed, or the actor may not.
    """
    check_model_name(name)
    with ws.store.begin(read_only=True) as tx:
        source = tx.runs.get(run)
        found, _ = find_output(tx, source, artifact)
        others = _list(tx)
    columns = ws.tables.read_columns(found)
    rows = len(next(iter(columns.values()), []))
    if rows == 0:
        raise InvalidInput(f"{artifact!r} of run {source.run_id} has no rows; nothing could be measured on it")
    shares, unread = _compare(ws, columns, others, found.digest)
    named, cells = digest_table(columns)
    with attempting(ws, act="register-holdout", kind="holdout", object_id=name), governed(ws) as tx:
        acting = check_acting(ws, tx, "register-holdout")
        known = tx.records.find("holdout", name)
        if known is not None:
            taken = _read_one(tx, known.body)
            if taken.artifact.digest == found.digest:
                return taken
            raise Conflict(f"holdout {name!r} is {taken.artifact.digest} already, and is frozen; give the new data another name")
        if {record.record_id for record in tx.records.list_all("holdout")} != {other.name for other in others}:
            raise Conflict(f"another holdout was frozen while {name!r} was compared with those there were; try again")
        body: Document = {
            "kind": "holdout",
            "name": name,
            "artifact": found.to_json(),
            "rows": rows,
            "columns": [*columns],
            "rows_digest": named,
            "cells_digest": cells,
            "shares": shares,
            "unread": unread,
            "run": source.run_id,
            "registered_at": ws.clock.now().isoformat(),
            "actor": acting.actor,
        }
        refs = {"data": str(found.digest), "run": source.run_id}
        record_act(ws, tx, act="register-holdout", kind="holdout", object_id=name, acting=acting, body=body, refs=refs)
        return _read_one(tx, body)


def list_holdouts(ws: Workspace) -> Sequence[Holdout]:
    """Return every holdout, with its looks."""
    with ws.store.begin(read_only=True) as tx:
        return _list(tx)


def _list(tx: Transaction) -> list[Holdout]:
    """Return every holdout with its looks, in one pass over the holdouts and one over the looks."""
    looks = Counter(record.subject for record in tx.records.list_all("look"))
    counts = {data: total for family in _join_families(tx) for total in [sum(map(looks.__getitem__, family))] for data in family}
    return [_read(record.body, counts) for record in tx.records.list_all("holdout")]


def get_holdout(tx: Transaction, name: str) -> Holdout:
    """Return a holdout. Raises NotFound, naming those that are."""
    record = tx.records.find("holdout", name)
    if record is None:
        known = ", ".join(known.record_id for known in tx.records.list_all("holdout")) or "none yet"
        raise NotFound(f"there is no holdout {name[:80]!r}; there are: {known}. `incumbent holdouts add NAME --run RUN` freezes one")
    return _read_one(tx, record.body)


def record_look(
    ws: Workspace, tx: Transaction, *, acting: Acting, holdout: Holdout, version: str, slot: str, policy: str
) -> tuple[str, int]:
    """Record that a holdout is about to be looked at; return the look's id and its number.

    Looks are counted over all data that share rows: the same rows under two names have one budget.
    """
    name = ws.ids.new("look")
    number = count_looks(tx, holdout) + 1
    body: Document = {
        "kind": "look",
        "holdout": holdout.name,
        "data": holdout.artifact.digest,
        "version": version,
        "slot": slot,
        "number": number,
    }
    record_act(
        ws, tx, act="evaluate", kind="look", object_id=name, acting=acting, body=body,
        refs={"data": str(holdout.artifact.digest), "policy": policy},
    )  # fmt: skip
    return name, number


def count_looks(tx: Transaction, holdout: Holdout) -> int:
    """Return how often a holdout's data were looked at, under whatever name, and all data that share its rows."""
    return len(list_looks(tx, find_family(tx, str(holdout.artifact.digest))))


def list_looks(tx: Transaction, data: Collection[str]) -> list[Record]:
    """Return the looks at any of these data. All looks are read: one that the database put elsewhere must not be missed. Raises Corrupt."""
    return [look for look in tx.records.list_all("look") if look.subject in data]


def find_budget(tx: Transaction, holdout: Holdout, key: Literal["looks_max", "answers_max"] = "looks_max") -> int | None:
    """Return how many looks a holdout may have, or may answer: the least number that any policy naming its data set, now or at a look.

    Whoever raises it after a look would choose the budget by what was seen; so it stays what it was, and lowering it counts. The
    answer is a fold of policies and looks as they stand in the ledger. None: no policy ever named these data, or gave this number.
    """
    data = find_family(tx, str(holdout.artifact.digest))
    names = {name for name, digest, _ in _list_holdouts(tx) if digest in data}
    looks = [look.seq for look in list_looks(tx, data)]
    newest: dict[str, Record] = {}
    counted: list[Record] = []
    for record in sorted(tx.records.list_history("policy"), key=lambda record: record.seq):
        before = newest.get(record.record_id)
        if before is not None and any(before.seq < look < record.seq for look in looks):
            counted.append(before)
        newest[record.record_id] = record
    most = [_find_number(record.body, names, key) for record in (*counted, *newest.values())]
    return min((number for number in most if number is not None), default=None)


def _find_number(body: Document, names: Collection[str], key: str) -> int | None:
    match body:
        case {"policy": {"holdout": {"name": str(name), **rest}}} if name in names:
            most = rest.get(key)
            return most if isinstance(most, int) else None
    return None


def _list_holdouts(tx: Transaction) -> list[tuple[str, str, set[str]]]:
    """Return every holdout's name, the digest of its data, and those of data that share its rows."""
    found = []
    for record in tx.records.list_all("holdout"):
        body = record.body
        shares = body.get("shares", [])  # documents from before holdouts were compared have none
        match body:
            case {"artifact": {"digest": str(data)}} if isinstance(shares, list):
                found.append((record.record_id, data, {str(share["data"]) for share in shares if isinstance(share, dict)}))
            case _:
                raise Corrupt(f"holdout {record.record_id} (entry {record.seq}) has a form that this release does not read")
    return found


def find_family(tx: Transaction, data: str) -> list[str]:
    """Return the digests of all data that have one budget with these."""
    return sorted(next((family for family in _join_families(tx) if data in family), {data}))


def _join_families(tx: Transaction) -> list[set[str]]:
    """Return which data have one budget: sharing goes both ways, and on from one to the next."""
    near: dict[str, set[str]] = {}
    for _, one, shares in _list_holdouts(tx):
        near.setdefault(one, set()).update(shares)
        for other in shares:
            near.setdefault(other, set()).add(one)
    families: list[set[str]] = []
    seen: set[str] = set()
    for data in near:
        if data in seen:
            continue
        family, ahead = {data}, [data]
        while ahead:
            fresh = near[ahead.pop()] - family
            family |= fresh
            ahead += fresh
        seen |= family
        families.append(family)
    return families


def _compare(ws: Workspace, rows: Rows, known: Sequence[Holdout], data: Digest) -> tuple[list[Json], list[Json]]:
    """Return which known holdouts share rows with a table, and the names of those whose own table can no longer be read."""
    cells = digest_table(rows)[1]
    shares: list[Json] = []
    unread: list[Json] = []
    for holdout in known:
        if holdout.artifact.digest == data:
            continue
        try:
            other = ws.tables.read_columns(holdout.artifact)
        except (NotFound, Corrupt, InvalidInput):
            if holdout.cells_digest is None or holdout.cells_digest != cells:
                unread.append(holdout.name)
                continue
            share = 1.0
        else:
            share = 1.0 if digest_table(other)[1] == cells else share_of_rows(rows, other)
        if share >= SHARED_MIN:
            shares.append({"holdout": holdout.name, "data": str(holdout.artifact.digest), "share": share})
    return shares, unread


def _read_one(tx: Transaction, body: Document) -> Holdout:
    match body:
        case {"artifact": {"digest": str(data)}}:
            family = find_family(tx, data)
            return _read(body, dict.fromkeys(family, len(list_looks(tx, family))))
    raise Corrupt(f"{document_bytes(body)[:80]!r} is no holdout")


def _read(body: Document, looks: Mapping[str, int]) -> Holdout:
    """Return what a document says; `looks` is, by the digest of data, how often they and all that share their rows were looked at."""
    match body:
        case {
            "name": str(name), "artifact": artifact, "rows": int(rows), "columns": list(columns), "run": str(run),
            "registered_at": str(at), "actor": str(actor),
        }:  # fmt: skip
            found = artifact_from_json(artifact)
            when = datetime.fromisoformat(at)
            shares, unread, cells = body.get("shares"), body.get("unread"), body.get("cells_digest")
            return Holdout(
                name, found, rows, tuple(map(str, columns)), run, when, actor, looks[str(found.digest)],
                shares=tuple(str(share["holdout"]) for share in shares if isinstance(share, dict)) if isinstance(shares, list) else (),
                unread=tuple(map(str, unread)) if isinstance(unread, list) else (),
                cells_digest=cells if isinstance(cells, str) else None,
            )  # fmt: skip
    raise Corrupt(f"{document_bytes(body)[:80]!r} is no holdout")
