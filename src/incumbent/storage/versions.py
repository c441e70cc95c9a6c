"""Which schema this release reads and writes, and what it says to a database of another one."""

from collections.abc import Mapping

from incumbent.base.digest import Algorithm
from incumbent.base.errors import Corrupt, InvalidInput

REVISIONS = ("0001", "0002", "0003", "0005", "0006", "0007", "0008", "0009", "0010")
"""Every schema revision, oldest first; each is a file in migrations/versions/."""

HEAD = REVISIONS[-1]
FORMAT = "1"
"""Format of the workspace as a whole: what the cells and blobs mean. Raised only when an old release would misread a new one."""


def judge_settings(settings: Mapping[str, str], algorithm: Algorithm, where: str) -> None:
    """Raise unless a database with these settings ({}: a new one) is ours to open, perhaps after a migration.

    Raises:
        InvalidInput: Newer than this release, made with another digest algorithm, or another program's.
        Corrupt: Its version is unreadable.
    """
    if not settings:
        return
    if "foreign" in settings:
        raise InvalidInput(f"{where} is a database of another program (it has the tables {settings['foreign']}); it was not touched")
    revision, form = settings.get("revision", ""), settings.get("format", "")
    if not revision.isdecimal() or not form.isdecimal():
        raise Corrupt(f"{where}: its version is unreadable (revision {revision!r}, format {form!r}); it was not touched")
    if int(revision) > int(HEAD) or int(form) > int(FORMAT):
        raise InvalidInput(
            f"{where} was written by a newer version of Incumbent (schema {revision}, format {form}; this one knows {HEAD} and {FORMAT}); "
            "upgrade Incumbent to open it. It was not touched"
        )
    if settings.get("algorithm") != algorithm:
        raise InvalidInput(
            f"{where} was made with digest algorithm {settings.get('algorithm')!r}, not {algorithm!r}; "
            f'a workspace keeps the one it began with: set [tool.incumbent] digest = "{settings.get("algorithm")}"'
        )
