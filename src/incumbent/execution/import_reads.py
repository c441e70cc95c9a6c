"""What the project's modules read while they are imported, and which stages that concerns.

A module is imported once for all attempts of a process, before any of them, so what it reads then is an input of each stage that
uses it, and of no other. A read is laid at the door of the module whose import is running (the innermost one that the code
reader knows: one found by a computed import is nobody's code) and of the functions that it called on the way: a function that
caches what it read hands it to whoever calls it next.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from incumbent.execution.project_files import ProjectFiles


@dataclass(frozen=True, slots=True)
class ImportRead:
    """One thing that was read during an import.

    Attributes:
        kind: "file" (data, or project source that no key holds) or "env".
        name: As in `Undeclared`.
        value: Its digest just before it was read. A later one could be of other bytes than those that the module holds.
        where: `path:line` that read it, "" if no project code was at work on that thread.
        files: Project files that may hold what it gave; none if that cannot be known, and then it concerns every stage.
    """

    kind: Literal["file", "env"]
    name: str
    value: str
    where: str
    files: frozenset[str]

    def concerns(self, paths: frozenset[str]) -> bool:
        """Say whether a stage whose code comes from `paths` may depend on this."""
        return not self.files or not self.files.isdisjoint(paths)


class ImportReads:
    """All that was read during imports in this process, and in the process that it was forked from.

    Args:
        files: Judges which files are the project's.
        known: Project files that the code reader has read (see `PipelineCode.files`).
    """

    def __init__(self, files: ProjectFiles, known: frozenset[str] = frozenset()) -> None:
        self._files = files
        self.known = known
        self._reads: dict[ImportRead, None] = {}

    def __iter__(self) -> Iterator[ImportRead]:
        return iter(tuple(self._reads))

    def add(self, read: ImportRead) -> None:
        """Remember one read."""
        self._reads.setdefault(read)

    def list_files(self, frame: FrameType | None) -> tuple[frozenset[str], bool]:
        """Return the known project files at work in `frame` and its callers, up to the module whose import is running, if one is."""
        found: set[str] = set()
        while frame is not None and (frame.f_code.co_filename, frame.f_code.co_name) not in _BOTTOMS:
            name = frame.f_code.co_filename
            if name in self.known or self._files.is_project(name):
                path = self._files.relative(name)
                found.add(path)
                if frame.f_code.co_name == "<module>" and path in self.known:
                    return frozenset(found & self.known), True
            frame = frame.f_back
        return frozenset(found & self.known), False


_HERE = os.path.dirname(os.path.abspath(__file__))
_BOTTOMS = frozenset({(os.path.join(_HERE, "loading.py"), "import_modules"), (os.path.join(_HERE, "attempt.py"), "_call")})
"""Where the user's code is entered: behind these stands whoever started the run, a script of the project's perhaps."""
