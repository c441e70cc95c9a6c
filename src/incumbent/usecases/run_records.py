"""What is stored of a run, inside a transaction of the caller: how it began, what it logged, how it is sealed.

All but the sealing may be done twice: a param keeps its first value, an artifact and a note are there once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from incumbent.base.digest import Algorithm
from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import NotFound, Refused
from incumbent.base.metric import MetricPoint
from incumbent.tracking.manifest import manifest_document
from incumbent.tracking.record import Began, Settings
from incumbent.tracking.run import Note, Run, RunArtifact, RunState
from incumbent.usecases.ports import Transaction


def is_known(tx: Transaction, run_id: str) -> bool:
    """Return whether there is a run of exactly this id."""
    try:
        return tx.runs.get(run_id).run_id == run_id
    except NotFound:
        return False


def record_beginning(tx: Transaction, began: Began) -> None:
    """Store a run and its environment."""
    tx.documents.put([began.environment])
    tx.runs.create(began.run)


def record_settings(tx: Transaction, run_id: str, settings: Settings) -> Sequence[str]:
    """Add params and tags to a running run; return in words what was not taken: a param that has another value already.

    Raises:
        Refused: The run is sealed.
    """
    run = tx.runs.get(run_id)
    _must_run(run)
    conflicts = [
        f"param {name!r} of {run_id} stays {run.params[name]!r}: {value!r} came later, and a param is set once"
        for name, value in settings.params.items()
        if name in run.params and not is_equal(run.params[name], value)
    ]
    changed = replace(run, params={**settings.params, **run.params}, tags={**run.tags, **settings.tags})
    if changed != run:
        tx.runs.update(changed)
    return conflicts


def record_artifact(tx: Transaction, new: RunArtifact) -> Sequence[str]:
    """Add an input or output; return in words that another one has its name, and stays."""
    for old in tx.runs.list_artifacts(new.run_id):
        if (old.direction, old.name) == (new.direction, new.name):
            if old.artifact == new.artifact:
                return ()
            return [f"{new.direction} {new.name!r} of {new.run_id} stays {old.artifact.digest}: {new.artifact.digest} came later"]
    tx.runs.record_artifacts([new])
    return ()


def record_note(tx: Transaction, note: Note) -> None:
    """Append a note, unless this very one is there."""
    if note not in tx.index.list_notes(note.run_id):
        tx.index.add_note(note)


def seal(tx: Transaction, *, run: Run, state: RunState, error: str, ended_at: datetime, algorithm: Algorithm) -> Run:
    """End a run: write its manifest, and with it refuse every later write. Return the run as it stays.

    Args:
        tx: The transaction.
        run: The run as its owner knows it; params and tags that others have logged are kept.
        state: How it ended; not "running".
        error: Why it failed or was killed, "" if it did not.
        ended_at: When.
        algorithm: Of the manifest's digest.

    Raises:
        Refused: It is sealed already.
    """
    stored = tx.runs.get(run.run_id)
    _must_run(stored)
    final = replace(
        run,
        state=state,
        ended_at=ended_at,
        facts={**stored.facts, **run.facts, **({"error": error} if error else {})},
        params={**run.params, **stored.params},
        tags={**run.tags, **stored.tags},
    )
    [manifest] = tx.documents.put([describe_manifest(tx, final, algorithm)])
    final = replace(final, manifest=manifest)
    tx.runs.update(final)
    return final


def describe_manifest(tx: Transaction, run: Run, algorithm: Algorithm) -> Document:
    """Return the manifest of a run, computed from what is stored."""
    return manifest_document(
        run, tx.runs.list_stages(run.run_id), tx.runs.list_artifacts(run.run_id), list_histories(tx, run.run_id), algorithm
    )  # fmt: skip


def list_histories(tx: Transaction, run_id: str) -> Iterator[tuple[str, Sequence[MetricPoint]]]:
    """Yield each metric of a run, by name, with all its points."""
    for name in sorted(tx.metrics.latest([run_id]).get(run_id, ())):
        yield name, tx.metrics.history(run_id, name)


def _must_run(run: Run) -> None:
    if run.manifest is not None:
        raise Refused(f"run {run.run_id} is sealed ({run.state}, {run.manifest}): it takes notes only. Start another run to log more")


def is_equal(one: Json, other: Json) -> bool:
    """Compare as documents do: 1, 1.0 and true are three values."""
    return document_bytes({"": one}) == document_bytes({"": other})
