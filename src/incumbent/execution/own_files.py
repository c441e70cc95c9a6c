"""Which files and folders a stage made itself: to read those back is to read nothing from outside."""

import os


class OwnFiles:
    """What one attempt made, as real paths. It is told before each change, so what lies there then was not made by it."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: tuple[str, ...] = ()

    def __contains__(self, real: str) -> bool:
        """Say whether a file, or a folder (ending in a slash), was made by this attempt or lies in a folder that was."""
        return real in self._files or real.startswith(self._folders)

    def open_to_write(self, real: str, *, empties: bool) -> bool:
        """Take note of a file that is opened for writing, and return whether its old content counts no more.

        Args:
            real: The file.
            empties: It is opened so that what it holds is thrown away. An append keeps that, and so does an opening that fails.
        """
        if not os.path.lexists(real) or (empties and os.access(real, os.W_OK)):
            self._files.add(real)
        return real in self

    def make_folder(self, real: str) -> None:
        """Take note of a folder that is about to be made; one that is there already is not."""
        if not os.path.lexists(real):
            self._folders += (real + os.sep,)

    def move(self, source: str, target: str) -> None:
        """Take note of what gets another name (or one more)."""
        if source + os.sep in self._folders:
            self._folders += (target + os.sep,)
        else:
            self._files.add(target)
