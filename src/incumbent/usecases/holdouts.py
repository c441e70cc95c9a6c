"""The verbs on holdouts: frozen evaluation data by digest, and how often each was looked at.

A holdout is a budget. Every evaluation on it is a look, and a look is in the ledger before its result is known; so is each look
by other models, since what is reused is the data. Rows of a holdout that stand in training data measure memory, not skill:
`count_overlap` compares row by row over the columns that both have.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from incumbent.base.artifact import Artifact, artifact_from_json
from incumbent.base.documents import Document, document_bytes
from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound
from incumbent.registry.names import check_model_name
from incumbent.registry.signature import Scalar
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
        looks: How often it was looked at, by whatever model.
    """

    name: str
    artifact: Artifact
    rows: int
    columns: tuple[str, ...]
    run_id: str
    registered_at: datetime
    actor: str
    looks: int


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
        Conflict: The name stands for other data.
        Refused: The run is not sealed, or the actor may not.
    """
    check_model_name(name)
    with ws.store.begin(read_only=True) as tx:
        source = tx.runs.get(run)
        found, _ = find_output(tx, source, artifact)
    columns = ws.tables.read_columns(found)
    rows = len(next(iter(columns.values()), []))
    if rows == 0:
        raise InvalidInput(f"{artifact!r} of run {source.run_id} has no rows; nothing could be measured on it")
    with attempting(ws, act="register-holdout", kind="holdout", object_id=name), governed(ws) as tx:
        acting = check_acting(ws, tx, "register-holdout")
        known = tx.records.find("holdout", name)
        if known is not None:
            taken = _read(tx, known.body)
            if taken.artifact.digest == found.digest:
                return taken
            raise Conflict(f"holdout {name!r} is {taken.artifact.digest} already, and is frozen; give the new data another name")
        body: Document = {
            "kind": "holdout",
            "name": name,
            "artifact": found.to_json(),
            "rows": rows,
            "columns": [*columns],
            "run": source.run_id,
            "registered_at": ws.clock.now().isoformat(),
            "actor": acting.actor,
        }
        refs = {"data": str(found.digest), "run": source.run_id}
        record_act(ws, tx, act="register-holdout", kind="holdout", object_id=name, acting=acting, body=body, subject=name, refs=refs)
        return _read(tx, body)


def list_holdouts(ws: Workspace) -> Sequence[Holdout]:
    """Return every holdout, with its looks."""
    with ws.store.begin(read_only=True) as tx:
        return [_read(tx, record.body) for record in tx.records.list_all("holdout")]


def get_holdout(tx: Transaction, name: str) -> Holdout:
    """Return a holdout. Raises NotFound, naming those that are."""
    record = tx.records.find("holdout", name)
    if record is None:
        known = ", ".join(known.record_id for known in tx.records.list_all("holdout")) or "none yet"
        raise NotFound(f"there is no holdout {name[:80]!r}; there are: {known}. `incumbent holdouts add NAME --run RUN` freezes one")
    return _read(tx, record.body)


def record_look(
    ws: Workspace, tx: Transaction, *, acting: Acting, holdout: Holdout, version: str, slot: str, policy: str
) -> tuple[str, int]:
    """Record that a holdout is about to be looked at; return the look's id and its number.

    Looks are counted per data digest: the same bytes under two names have one budget.
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
        ws, tx, act="evaluate", kind="look", object_id=name, acting=acting, body=body, subject=str(holdout.artifact.digest),
        refs={"data": str(holdout.artifact.digest), "policy": policy},
    )  # fmt: skip
    return name, number


def count_looks(tx: Transaction, holdout: Holdout) -> int:
    """Return how often a holdout's data were looked at."""
    return len(tx.records.list_all("look", subject=str(holdout.artifact.digest)))


def count_overlap(holdout: Mapping[str, Sequence[Scalar]], training: Mapping[str, Sequence[Scalar]]) -> tuple[int, tuple[str, ...]]:
    """Return how many rows of a holdout stand in training data too, and over which columns they were compared.

    Raises:
        InvalidInput: They share no column, so nothing can be said.
    """
    shared = tuple(sorted(holdout.keys() & training.keys()))
    if not shared:
        raise InvalidInput(
            f"the holdout has columns {', '.join(holdout)} and the training data {', '.join(training)}: with none in common, an overlap "
            "cannot be ruled out"
        )
    known = {_row_digest(row) for row in zip(*(training[name] for name in shared), strict=True)}
    return sum(_row_digest(row) in known for row in zip(*(holdout[name] for name in shared), strict=True)), shared


def _row_digest(row: Sequence[Scalar]) -> bytes:
    return hashlib.blake2b(repr([(type(cell).__name__, cell) for cell in map(_plain_number, row)]).encode(), digest_size=16).digest()


def _plain_number(cell: Scalar) -> Scalar:
    """Return a float that is a whole number as that: a column of integers with a null comes back as floats from some libraries."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _read(tx: Transaction, body: Document) -> Holdout:
    match body:
        case {
            "name": str(name), "artifact": artifact, "rows": int(rows), "columns": list(columns), "run": str(run),
            "registered_at": str(at), "actor": str(actor),
        }:  # fmt: skip
            found = artifact_from_json(artifact)
            looks = len(tx.records.list_all("look", subject=str(found.digest)))
            return Holdout(name, found, rows, tuple(map(str, columns)), run, datetime.fromisoformat(at), actor, looks)
    raise Corrupt(f"{document_bytes(body)[:80]!r} is no holdout")
