"""The verb `runs log`: what the stages of a run printed, as it was captured."""

from collections.abc import Iterator

from incumbent.base.errors import NotFound
from incumbent.usecases.workspace import Workspace


def list_stage_logs(ws: Workspace, *, run_id: str, stage: str = "") -> Iterator[tuple[str, str]]:
    """Yield (stage, text) for each stage (or item) of a run that printed something, in the order in which they ended.

    A cache hit gives what the stage printed when it ran.

    Args:
        ws: The workspace.
        run_id: Run id, or a prefix of it.
        stage: Only this stage; "" for all.

    Raises:
        NotFound: There is no such run, the run has no such stage, or the text is no longer in the store.
    """
    with ws.store.begin(read_only=True) as tx:
        run = tx.runs.get(run_id)
        rows = tx.runs.list_stages(run.run_id)
    found = [row for row in rows if stage in ("", row.stage)]
    if stage and not found:
        known = ", ".join(dict.fromkeys(row.stage for row in rows)) or "none"
        raise NotFound(f"run {run.run_id} has no stage {stage!r}; it has: {known}")
    for row in found:
        if row.log is not None:
            name = row.stage if row.item is None else f"{row.stage}[{row.item}]"
            yield name, ws.blobs.get(row.log).decode("utf-8", errors="replace")
