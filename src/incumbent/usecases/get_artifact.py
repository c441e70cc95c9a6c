"""The verb `artifacts get`: a private copy of a stored artifact, as a file or a folder of one's own."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest, parse_digest
from incumbent.base.documents import parse_document
from incumbent.base.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from incumbent.tracking.run import RunArtifact
from incumbent.usecases.parts import list_parts, list_tree
from incumbent.usecases.workspace import Workspace

CHUNK_BYTES = 1 << 20


def find_artifact(ws: Workspace, *, reference: str) -> Artifact:
    """Return the artifact that `RUN:NAME`, or a digest, names. Of a bare digest nothing is known but its bytes.

    Raises:
        InvalidInput: Neither form; or the run has an input and an output of that name that differ.
        NotFound: There is no such run, artifact or blob.
    """
    head, separator, name = reference.partition(":")
    if head in ("blake3", "sha256"):
        parse_digest(reference)
        digest = Digest(reference)
        size = ws.blobs.size(digest)
        if size is None:
            raise NotFound(f"no blob {digest} in this workspace")
        return Artifact("bytes", digest, size)
    if not separator or not name:
        raise InvalidInput(f"{reference[:80]!r} names no artifact; write RUN:NAME (`incumbent artifacts ls RUN` lists them) or a digest")
    rows = list_run_artifacts(ws, run_id=head)
    found = {row.artifact.identity: row.artifact for row in rows if row.name == name}
    if not found:
        raise NotFound(f"run {head} has no artifact {name[:80]!r}; it has {', '.join(sorted({row.name for row in rows})) or 'none'}")
    if len(found) > 1:
        raise InvalidInput(f"run {head} has an input and an output {name!r}, which differ; give the digest: {', '.join(sorted(found))}")
    return next(iter(found.values()))


def list_run_artifacts(ws: Workspace, *, run_id: str) -> Sequence[RunArtifact]:
    """Return the inputs and outputs of a run (by id or unique prefix). Raises NotFound."""
    with ws.store.begin(read_only=True) as tx:
        return tx.runs.list_artifacts(tx.runs.get(run_id).run_id)


def get_artifact(ws: Workspace, *, reference: str, target: Path) -> Artifact:
    """Copy an artifact to `target`, which must not exist, and return it: a folder's files, a list's items by number, else the bytes.

    The copy is complete or absent, verified, writable, and shares nothing with the store.

    Raises:
        InvalidInput: The reference is malformed.
        NotFound: There is no such artifact, or part of it.
        Conflict: Something is at `target`.
        Corrupt: Stored bytes are damaged, or a stored folder names a path outside of itself.
        Unavailable: It cannot be written.
    """
    artifact = find_artifact(ws, reference=reference)
    if target.exists() or target.is_symlink():
        raise Conflict(f"{target} exists; name another place, or move it away")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".incumbent-") as folder:
            made = Path(folder, "made")
            _write(ws, artifact, made)
            made.rename(target)
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error.strerror or error}") from error
    return artifact


def _write(ws: Workspace, artifact: Artifact, target: Path) -> None:
    if artifact.codec == "tree":
        target.mkdir()
        executable = _list_executable(ws, artifact)
        for path, part in list_tree(ws, artifact).items():
            place = target.joinpath(*_inside(path, artifact).parts)
            place.parent.mkdir(parents=True, exist_ok=True)
            _write(ws, part, place)
            if path in executable:
                place.chmod(place.stat().st_mode | 0o111)
    elif artifact.codec == "list":
        target.mkdir()
        items = list_parts(ws, artifact)
        for number, part in enumerate(items):
            _write(ws, part, target / f"{number:0{len(str(len(items)))}}")
    else:
        with ws.blobs.open(artifact.digest) as file, target.open("xb") as copy:
            shutil.copyfileobj(file, copy, CHUNK_BYTES)


def _inside(path: str, tree: Artifact) -> PurePosixPath:
    """Return a path of a stored folder, which a forged document must not lead out of it."""
    parts = path.split("/")
    if "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise Corrupt(f"folder {tree.digest} names {path[:80]!r}, which is not a path inside it")
    return PurePosixPath(path)


def _list_executable(ws: Workspace, tree: Artifact) -> set[str]:
    match parse_document(ws.blobs.get(tree.digest)):
        case {"entries": list(entries)}:
            return {str(entry.get("path")) for entry in entries if isinstance(entry, dict) and entry.get("executable") is True}
    return set()
