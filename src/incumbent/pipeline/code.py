"""What the engine knows of a stage's code: the symbols it reaches, what they import, and where certainty ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from incumbent.base.digest import Digest
from incumbent.base.documents import Document
from incumbent.pipeline.graph import Graph


@dataclass(frozen=True, slots=True)
class CodeClosure:
    """All project code that one stage reaches (the code_c of EQ V7.1), symbol by symbol.

    Attributes:
        digest: Digest of `document()`; equal if and only if every leaf is equal.
        leaves: (symbol id, digest of its canonical text), sorted; an id is `path::symbol`, or `path` alone when widened.
        imports: Top-level names of third-party modules that the code reaches, e.g. {"sklearn", "numpy"}.
        paths: Project files that the leaves come from, relative to the root, sorted.
        widened: Why whole modules were taken instead of symbols, in words, one line each; empty when all was resolved.
    """

    digest: Digest
    leaves: tuple[tuple[str, Digest], ...]
    imports: frozenset[str]
    paths: tuple[str, ...]
    widened: tuple[str, ...] = ()

    def document(self) -> Document:
        """Return the document whose digest is `digest` (imports and paths follow from the leaves, so are left out)."""
        return {"kind": "code", "format": 1, "leaves": {name: str(digest) for name, digest in self.leaves}}


@dataclass(frozen=True, slots=True)
class PipelineCode:
    """A pipeline as read from its source files.

    Attributes:
        graph: Stages and sources, wired and checked.
        closures: The code of each stage, by stage name.
        files: Every project file that was read to find this out, relative to the root, sorted: while none of them
            changes, neither does anything here.
        contents: For each of `files`, the SHA-256 of the bytes that the closures were made from, in hex. A runner imports no
            other bytes under that name.
        is_static: False when the file had to be imported (in a process of its own) because the pipeline is built by code.
    """

    graph: Graph
    closures: dict[str, CodeClosure]
    files: tuple[str, ...]
    is_static: bool = True
    contents: Mapping[str, str] = field(default_factory=dict)
