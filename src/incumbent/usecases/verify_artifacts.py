"""The verb `artifacts verify`: is everything that is stored still what was written?

1. The database itself: its file or server, its constraints, its triggers.
2. Every blob: all bytes hashed again. (A damaged one is set aside by the store, and rebuilt by the next run that needs it.)
3. Every document: its bytes hashed again.
4. Every action: its recipe is there, has the key as its digest, and is of the stage that the action names.
5. Every sealed run: its manifest computed again from its rows.
6. Everything that a run, a version or a governed document needs: present.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from incumbent.base.documents import Document
from incumbent.base.errors import Corrupt, NotFound
from incumbent.pipeline.action import Action
from incumbent.usecases.log_run import verify_seal
from incumbent.usecases.ports import Progress, Transaction
from incumbent.usecases.reach import Reach, find_reach, list_runs
from incumbent.usecases.workspace import Workspace

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at, and what is wrong.

    Attributes:
        blobs, blob_bytes, documents, actions, runs: How many were checked.
        problems: What is wrong, in words, one line each; empty when all is well.
    """

    blobs: int
    blob_bytes: int
    documents: int
    actions: int
    runs: int
    problems: tuple[str, ...]

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "blobs": self.blobs,
            "blob_bytes": self.blob_bytes,
            "documents": self.documents,
            "actions": self.actions,
            "sealed_runs": self.runs,
            "problems": list(self.problems),
        }


def verify_artifacts(ws: Workspace, *, progress: Progress = lambda _done, _total: None) -> Verification:
    """Check everything that is stored. Memory does not grow with the size of blobs.

    Args:
        ws: The workspace.
        progress: Told (blobs checked, blobs in all).
    """
    problems = list(ws.store.check())
    blobs, blob_bytes = _verify_blobs(ws, progress, problems)
    with ws.store.begin(read_only=True) as tx:
        documents = list(tx.documents.list_digests())
        for digest in documents:
            _note(problems, lambda digest=digest: tx.documents.get(digest))  # type: ignore[misc]  # mypy infers no lambda with a default
        actions = list(tx.actions.list_all())
        for action in actions:
            problems.extend(_judge_action(tx, action))
        sealed = [run.run_id for run in list_runs(tx) if run.manifest is not None]
        problems.extend(_judge_reach(ws, find_reach(ws, tx)))
    for run_id in sealed:
        _note(problems, lambda run_id=run_id: verify_seal(ws, run_id=run_id))  # type: ignore[misc]  # mypy infers no lambda with a default
    return Verification(blobs, blob_bytes, len(documents), len(actions), len(sealed), tuple(dict.fromkeys(problems)))


def _verify_blobs(ws: Workspace, progress: Progress, problems: list[str]) -> tuple[int, int]:
    digests = list(ws.blobs.list_digests())
    total = 0
    for place, digest in enumerate(digests):
        progress(place, len(digests))
        try:
            with ws.blobs.open(digest) as file:
                while chunk := file.read(CHUNK_BYTES):
                    total += len(chunk)
        except Corrupt as error:
            problems.append(str(error))
        except NotFound:
            pass  # another process removed it since we listed it
    progress(len(digests), len(digests))
    return len(digests), total


def _note(problems: list[str], look: Callable[[], object]) -> None:
    try:
        look()
    except (Corrupt, NotFound) as error:
        problems.append(str(error))


def _judge_action(tx: Transaction, action: Action) -> Iterator[str]:
    """Derive the key again: a document's digest is checked when it is read, so the recipe that comes back is the key's."""
    try:
        recipe = tx.documents.get(action.key)
    except (Corrupt, NotFound) as error:
        yield f"action {action.key} of stage {action.stage!r} has no sound recipe: {error}"
        return
    if recipe.get("stage") != action.stage:
        yield f"action {action.key} says it is of stage {action.stage!r}, its recipe {recipe.get('stage')!r}"


def _judge_reach(ws: Workspace, reach: Reach) -> Iterator[str]:
    yield from reach.unread
    for digest, origin in reach.blobs.items():
        if ws.blobs.size(digest) is None:
            yield f"blob {digest} is not in the store: {origin} needs it; run what gave it again, or put it back from a backup"
