"""Which file an SQLite database name means, and which databases a statement attaches."""

import os
import sqlite3
from collections.abc import Callable
from urllib.parse import parse_qs, unquote, urlsplit


def find_path(name: object) -> str | None:
    """Return the file that a database name leads to, or None if the database has none (it is in memory, or temporary).

    A name that starts with "file:" is taken as a URI (https://www.sqlite.org/uri.html) unless a file has just that name: whether
    the connection allows URIs is not told.
    """
    if not isinstance(name, str | bytes | os.PathLike):
        return None
    text = os.fsdecode(name)
    if text.startswith("file:") and not os.path.lexists(text):
        uri = urlsplit(text)
        if parse_qs(uri.query).get("mode") == ["memory"]:
            return None
        text = unquote(uri.path, errors="surrogateescape")
    return None if text in ("", ":memory:") else text


def on_attach(connection: sqlite3.Connection, tell: Callable[[object], None]) -> None:
    """Have `tell` called with the name of each database that a statement of this connection attaches.

    An authorizer is asked while a statement is prepared. One that the stage sets itself takes this one's place.
    """

    def authorize(action: int, name: str | None, *_others: object) -> int:
        if action == sqlite3.SQLITE_ATTACH:
            tell(name)
        return sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)
