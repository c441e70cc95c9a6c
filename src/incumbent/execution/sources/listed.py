"""Taking in files that are named one by one: the project files that code digests come from."""

from collections.abc import Sequence

from incumbent.base.artifact import Artifact
from incumbent.base.documents import Json, document_bytes
from incumbent.execution.sources.files import take_in
from incumbent.execution.sources.intake import Intake
from incumbent.execution.sources.listing import stat_file


def capture_listed(intake: Intake, paths: Sequence[str]) -> Artifact:
    """Store these files, relative to the root, as one "tree", each under its path.

    Raises:
        NotFound: A file is gone.
        Conflict: A file changed while it was read.
    """
    stamps = {path: stat_file(str(intake.root / path)) for path in sorted(set(paths))}
    digests = take_in(intake, list(stamps.values()), link=False)
    entries: list[Json] = [
        {"path": path, "digest": digests[stamp.path], "size": stamp.size, "executable": bool(stamp.mode & 0o100)}
        for path, stamp in stamps.items()
    ]
    stored = intake.blobs.put([document_bytes({"entries": entries})])
    return Artifact("tree", stored.digest, stored.size + sum(stamp.size for stamp in stamps.values()), "source")
