"""What a run's workers need to know beside their tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from incumbent.base.digest import Algorithm
from incumbent.base.documents import Document, Json
from incumbent.base.errors import Corrupt
from incumbent.execution.loading import Place


@dataclass(frozen=True, slots=True)
class Job:
    """What workers need beside their task; the same for every task of a run.

    Attributes:
        root: The project's root: the working directory of every stage.
        state: The workspace's own folder, which the watch leaves alone.
        blobs_factory: `module:function` that opens the blob store in a worker.
        blobs_argument: The text which that function is called with.
        places: Where each stage's code is.
        paths: For each stage, the files (relative to the root) that its code's digest covers.
        contents: SHA-256 of every file that the keys were made from; no other bytes may be imported under its name.
        algorithm: Of the digests of undeclared inputs.
    """

    root: Path
    state: Path
    blobs_factory: str
    blobs_argument: str
    places: Mapping[str, Place]
    paths: Mapping[str, frozenset[str]]
    contents: Mapping[str, str]
    algorithm: Algorithm

    @property
    def known_files(self) -> frozenset[str]:
        """Project files that the code reader has read."""
        return frozenset(self.contents).union(*self.paths.values())

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "root": str(self.root), "state": str(self.state), "blobs_factory": self.blobs_factory, "blobs_argument": self.blobs_argument,
            "places": {name: cast(Json, list(place)) for name, place in self.places.items()},
            "paths": {name: cast(Json, sorted(paths)) for name, paths in self.paths.items()},
            "contents": dict(self.contents), "algorithm": self.algorithm,
        }  # fmt: skip

    @classmethod
    def from_json(cls, value: Json) -> "Job":
        """Return the job that `to_json` wrote. Raises Corrupt."""
        match value:
            case {
                "root": str(root), "state": str(state), "blobs_factory": str(factory), "blobs_argument": str(argument),
                "places": dict(places), "paths": dict(paths), "contents": dict(contents), "algorithm": "blake3" | "sha256" as algorithm,
            }:  # fmt: skip
                return cls(
                    Path(root), Path(state), factory, argument,
                    {name: cast(Place, tuple(cast(list[str], place))) for name, place in places.items()},
                    {name: frozenset(cast(list[str], names)) for name, names in paths.items()},
                    {name: str(content) for name, content in contents.items()}, algorithm,
                )  # fmt: skip
        raise Corrupt(f"not a job: {str(value)[:200]}")


def log_of(folder: Path) -> Path:
    """Return where what an attempt prints is kept: beside its folder, which the stage may clear."""
    return folder.with_suffix(".log")
