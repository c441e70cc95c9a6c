"""Which files are the project's own: the code a user writes, as against libraries, the interpreter and ourselves."""

import os
import site
import sys
import sysconfig
from pathlib import Path

_HERE = str(Path(__file__).resolve().parent.parent) + os.sep
_SYSTEM = ("/usr/", "/lib/", "/lib64/", "/etc/", "/proc/", "/sys/", "/dev/", "/run/", "/var/lib/", "/opt/", "/System/", "/Library/")


def list_library_folders() -> tuple[str, ...]:
    """Return the folders of the interpreter, the standard library, installed packages and this package, each ending in a slash."""
    found = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts", "include")}
    found |= {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *site.getsitepackages(), site.getusersitepackages()}
    real = {os.path.realpath(folder) for folder in found if folder}
    return tuple(sorted({folder.rstrip(os.sep) + os.sep for folder in found | real if folder and folder != os.sep} | {_HERE}))


class ProjectFiles:
    """Judges file names against one project root; answers are remembered, so that asking for every frame stays cheap."""

    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)
        self._inside = self.root.rstrip(os.sep) + os.sep
        self._libraries = list_library_folders()
        self._known: dict[str, bool] = {}

    def is_project(self, filename: str) -> bool:
        """Say whether `filename` (of a code object, as a rule) is the project's own source."""
        known = self._known.get(filename)
        if known is None:
            known = self._known[filename] = self._judge(filename)
        return known

    def _judge(self, filename: str) -> bool:
        if not filename or filename.startswith("<"):
            return False
        path = os.path.realpath(filename)
        return path.startswith(self._inside) and not self.is_library(path)

    def is_library(self, path: str) -> bool:
        """Say whether a real path belongs to the interpreter, an installed package or this one."""
        return path.startswith(self._libraries) or "/site-packages/" in path or "/dist-packages/" in path

    def is_system(self, path: str) -> bool:
        """Say whether a real path belongs to the operating system (and is not inside the project)."""
        return path.startswith(_SYSTEM) and not path.startswith(self._inside)

    def relative(self, path: str) -> str:
        """Return a path as it is shown and recorded: relative to the root where it is inside, absolute elsewhere."""
        real = os.path.realpath(path)
        if real == self.root:
            return "."
        return real[len(self._inside) :].replace(os.sep, "/") if real.startswith(self._inside) else real
