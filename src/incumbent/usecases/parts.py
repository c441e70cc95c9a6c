"""Artifacts made of artifacts: the items of a "list", the files of a "tree"."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from incumbent.base.artifact import Artifact, artifact_from_json
from incumbent.base.canonical import split_items
from incumbent.base.documents import Json, document_bytes, parse_document
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.usecases.ports import Blobs, Stored
from incumbent.usecases.workspace import Workspace


class Holder(Protocol):
    """Whoever has bytes at hand: a workspace, or what sends them to one."""

    @property
    def blobs(self) -> Blobs:
        """The bytes."""


def list_parts(ws: Holder, artifact: Artifact) -> list[Artifact]:
    """Return the artifacts that a "list" or "tree" artifact names, in order; none for any other.

    Raises:
        Corrupt: The document does not parse.
        NotFound: Its blob is gone.
    """
    if artifact.codec == "tree":
        return list(list_tree(ws, artifact).values())
    if artifact.codec != "list":
        return []
    try:
        match parse_document(ws.blobs.get(artifact.digest)):
            case {"items": list(items)}:
                return [artifact_from_json(item) for item in items]
    except InvalidInput as error:
        raise Corrupt(f"list {artifact.digest} does not parse: {error}") from error
    raise Corrupt(f"list {artifact.digest} has no items field")


def list_items(ws: Workspace, artifact: Artifact) -> list[Artifact] | None:
    """Return what a stage that maps over `artifact` runs over, or None if it is no list and no folder.

    A list of plain values is one artifact; its items are split off as artifacts of their own, without the user's classes.

    Raises:
        Corrupt: The bytes do not parse.
        NotFound: A blob is gone.
    """
    if artifact.codec in ("list", "tree"):
        return list_parts(ws, artifact)
    if artifact.codec != "value":
        return None
    try:
        items = split_items(ws.blobs.get(artifact.digest))
    except InvalidInput as error:
        raise Corrupt(f"value {artifact.digest} does not parse: {error}") from error
    if items is None:
        return None
    stored = [ws.blobs.put([item]) for item in items]
    return [Artifact("value", item.digest, item.size) for item in stored]


def list_tree(ws: Holder, tree: Artifact) -> dict[str, Artifact]:
    """Return the files of a "tree" artifact by path, with forward slashes, sorted.

    Raises:
        Corrupt: The document does not parse.
        NotFound: Its blob is gone.
    """
    try:
        match parse_document(ws.blobs.get(tree.digest)):
            case {"entries": list(entries)}:
                return dict(sorted(_read_entry(entry) for entry in entries if not _is_folder(entry)))
    except InvalidInput as error:
        raise Corrupt(f"tree {tree.digest} does not parse: {error}") from error
    raise Corrupt(f"tree {tree.digest} has no entries field")


def gather_items(ws: Workspace, items: Sequence[Artifact]) -> Artifact:
    """Store the "list" artifact of these items."""
    stored = ws.blobs.put([document_bytes({"items": [item.to_json() for item in items]})])
    return Artifact("list", stored.digest, stored.size + sum(item.size for item in items))


def gather_tree(ws: Workspace, files: Mapping[str, Stored], name: str) -> Artifact:
    """Store the "tree" artifact of a folder of that name which holds these stored files; none of them is executable."""
    entries: list[Json] = [
        {"path": path, "digest": str(file.digest), "size": file.size, "executable": False} for path, file in sorted(files.items())
    ]
    stored = ws.blobs.put([document_bytes({"entries": entries})])
    return Artifact("tree", stored.digest, sum(file.size for file in files.values()), name)


def _is_folder(entry: Json) -> bool:
    return isinstance(entry, dict) and "digest" not in entry and isinstance(entry.get("path"), str)


def _read_entry(entry: Json) -> tuple[str, Artifact]:
    match entry:
        case {"path": str(path), "digest": str(digest), "size": int(size)}:
            return path, artifact_from_json({"codec": "file", "digest": digest, "size": size, "name": path.rpartition("/")[2]})
    raise InvalidInput(f"not an entry of a tree: {str(entry)[:80]}")
