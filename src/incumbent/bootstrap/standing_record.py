"""What a finished run leaves for the next identical `incumbent run`: everything its plan depends on (see `standing`)."""

from pathlib import Path

from incumbent.base.documents import Json
from incumbent.bootstrap import standing
from incumbent.config import Settings
from incumbent.execution.environment import LocalEnvironment
from incumbent.storage.blobs_local import LocalBlobs
from incumbent.usecases.run_pipeline import RunResult
from incumbent.usecases.workspace import Workspace


def leave_standing(
    ws: Workspace, settings: Settings, result: RunResult, arguments: list[str], *, began_ns: int, text: str, document: Json
) -> bool:
    """Leave a standing for a run that went well; False when one may not be left.

    None is left when something that the plan depends on cannot be checked by stat alone: a remote store, a source of rows, a
    stage that is never cached, an input that was read without being declared.
    """
    blobs = ws.blobs
    graph, code = result.prepared.graph, result.prepared.code
    if not isinstance(blobs, LocalBlobs) or not isinstance(ws.environment, LocalEnvironment) or settings.url:
        return False
    if result.has_undeclared or any(not spec.options.cache for spec in graph.stages.values()):
        return False
    files = {ws.root / "pyproject.toml", ws.folder / "workspace.json", ws.root, ws.root / "src"}
    for path in code.files:
        files |= {ws.root / path, (ws.root / path).parent}  # a new file in the folder may shadow a module
    for source in graph.sources.values():
        signature = ws.sources.signature(source)
        if signature is None:
            return False
        files |= {Path(row[0]) for row in signature}
    variables: set[str] = set()
    for name, spec in graph.stages.items():
        found = ws.environment.signature(code.closures[name], spec.options.env)
        files |= {Path(path) for path in found.paths}
        variables |= set(found.variables)
    outputs = {artifact.digest for artifact in result.outputs.artifacts.values()}
    return standing.leave(
        str(ws.root),
        arguments,
        began_ns=began_ns,
        files=[str(path) for path in files | set(_git_files(ws.root)) if path.exists()],
        there=[str(ws.folder / "incumbent.db")],
        variables=sorted(variables),
        blobs=[(str(blobs.path(digest)), blobs.size(digest) or 0) for digest in sorted(outputs)],
        text=text,
        document=document,
    )


def _git_files(root: Path) -> list[Path]:
    """Return the files that name the commit: a new commit is worth a new run, so that it can be reproduced from it."""
    head = root / ".git" / "HEAD"
    try:
        text = head.read_text("utf-8").strip()
    except OSError:
        return []
    return [head, root / ".git" / text.removeprefix("ref: ")] if text.startswith("ref: ") else [head]
