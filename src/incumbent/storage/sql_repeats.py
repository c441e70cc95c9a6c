"""Requests that may be sent again, in SQL."""

from datetime import datetime

from incumbent.storage.cells import from_json, from_micros, to_bytes, to_json, to_micros, to_text
from incumbent.storage.session import Session
from incumbent.usecases.repeat_ports import Repeatable

_COLUMNS = "caller, request_key, request, begun_at, process, status, headers, body"


class SqlRepeats:
    """The `Repeats` port."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, caller: str, key: str) -> Repeatable | None:
        """Return one."""
        row = self._session.one(f"SELECT {_COLUMNS} FROM repeatable_requests WHERE caller = ? AND request_key = ?", (caller, key))
        if row is None:
            return None
        headers = from_json(row[6])
        named = {str(name): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
        return Repeatable(row[0], row[1], row[2], from_micros(row[3]), row[4], int(row[5]), named, to_bytes(row[7]))

    def begin(self, repeatable: Repeatable) -> bool:
        """Add one that is being done, and return whether it is new: of two at once, one is."""
        return bool(
            self._session.run(
                f"INSERT INTO repeatable_requests ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    to_text(repeatable.caller, "caller"),
                    to_text(repeatable.key, "key"),
                    repeatable.request,
                    to_micros(repeatable.begun_at),
                    repeatable.process,
                    repeatable.status,
                    to_json(dict(repeatable.headers)),
                    repeatable.body,
                ),
            )
        )

    def finish(self, repeatable: Repeatable) -> None:
        """Put its answer beside it."""
        self._session.run(
            "UPDATE repeatable_requests SET status = ?, headers = ?, body = ? WHERE caller = ? AND request_key = ?",
            (repeatable.status, to_json(dict(repeatable.headers)), repeatable.body, repeatable.caller, repeatable.key),
        )

    def forget(self, caller: str, key: str) -> None:
        """Remove one: nothing came of it, and it may be done anew."""
        self._session.run("DELETE FROM repeatable_requests WHERE caller = ? AND request_key = ?", (caller, key))

    def prune(self, before: datetime) -> None:
        """Remove those that came before."""
        self._session.run("DELETE FROM repeatable_requests WHERE begun_at < ?", (to_micros(before),))
