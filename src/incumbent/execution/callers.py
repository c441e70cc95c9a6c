"""Who stands behind an event that the watch is told of: the frames of the thread that raised it."""

import os
import sys
from types import FrameType

from incumbent.execution.project_files import ProjectFiles

_SHOWS_SOURCE = ("linecache.py", "tokenize.py", "traceback.py", "inspect.py")
_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_FEEDERS = frozenset(_HERE + name for name in ("callers.py", "watch.py", "hooks.py", "seeding.py", "native_readers.py"))
"""Whoever feeds the watch: the one that asked stands behind them."""


class Callers:
    """Finds the project's code among the callers."""

    def __init__(self, files: ProjectFiles) -> None:
        self._files = files

    def place(self, frame: FrameType) -> str:
        """Return `path:line` of a frame."""
        return f"{self._files.relative(frame.f_code.co_filename)}:{frame.f_lineno}"

    def find_place(self, path: str) -> str | None:
        """Return `path:line` of the nearest project code that reads `path`, "" if there is none on this thread.

        None if only the text of a source is wanted, to be shown in a traceback or a warning.
        """
        is_source = path.endswith((".py", ".pyi"))
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name = frame.f_code.co_filename
            if self._files.is_project(name):
                return self.place(frame)
            if is_source and name.endswith(_SHOWS_SOURCE):
                return None
            frame = frame.f_back
        return ""

    def find_caller(self, past: tuple[str, ...] | None = None) -> FrameType | None:
        """Return the frame that asked, if it is project code, else None.

        Args:
            past: Names of the library modules that only pass the question on; None looks past the whole standard library.
        """
        frame = _find_asker()
        while frame is not None:
            name = frame.f_code.co_filename
            if self._files.is_project(name):
                return frame
            if name.startswith(_HERE):  # called by the stage (a bundle that it opens): a library, so in the environment's digest
                return None
            module = str(frame.f_globals.get("__name__")).partition(".")[0]
            if "site-packages" in name or "dist-packages" in name or (past is not None and module not in past):
                return None
            frame = frame.f_back
        return None

    def is_import(self) -> bool:
        """Say whether the import system asks: its finder lists a folder on sys.path before each first import."""
        frame = _find_asker()
        is_walk = False
        while frame is not None and frame.f_globals.get("__name__") == "pkgutil":
            frame, is_walk = frame.f_back, True
        name = frame.f_code.co_filename if frame is not None else ""
        if is_walk:
            return not self._files.is_project(name)  # a project that looks for its own plug-ins depends on what is there
        return name.startswith("<frozen importlib") or f"{os.sep}importlib{os.sep}" in name

    def is_computed_import(self) -> bool:
        """Say whether an import is asked for by a library on the project's behalf (`importlib.import_module`), not by a statement."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename.startswith(("<frozen importlib", _HERE)):
            frame = frame.f_back
        return frame is not None and not self._files.is_project(frame.f_code.co_filename)


def _find_asker() -> FrameType | None:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename in _FEEDERS:
        frame = frame.f_back
    return frame
