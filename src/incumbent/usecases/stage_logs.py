"""The verb `runs log`: what the stages of a run printed, as it was captured."""

from collections.abc import Iterator, Sequence

from incumbent.base.digest import Digest
from incumbent.base.errors import NotFound
from incumbent.usecases.workspace import Workspace


def list_stage_logs(ws: Workspace, *, run_id: str, stage: str = "") -> Iterator[tuple[str, str]]:
    """Yield (stage, text) of what `find_stage_logs` finds.

    Raises:
        NotFound: As `find_stage_logs` says, or the text is no longer in the store.
    """
    for name, log in find_stage_logs(ws, run_id=run_id, stage=stage):
        yield name, ws.blobs.get(log).decode("utf-8", errors="replace")


def find_stage_logs(ws: Workspace, *, run_id: str, stage: str = "") -> Sequence[tuple[str, Digest]]:
    """Return (stage, digest of the text) for each stage (or item) of a run that printed something, in the order in which they ended.

    A cache hit has what the stage printed when it ran.

    Args:
        ws: The workspace.
        run_id: Run id, or a prefix of it.
        stage: Only this stage; "" for all.

    Raises:
        NotFound: There is no such run, or the run has no such stage.
    """
    with ws.store.begin(read_only=True) as tx:
        run = tx.runs.get(run_id)
        rows = tx.runs.list_stages(run.run_id)
    found = [row for row in rows if stage in ("", row.stage)]
    if stage and not found:
        known = ", ".join(dict.fromkeys(row.stage for row in rows)) or "none"
        raise NotFound(f"run {run.run_id} has no stage {stage!r}; it has: {known}")
    return [(row.stage if row.item is None else f"{row.stage}[{row.item}]", row.log) for row in found if row.log is not None]
