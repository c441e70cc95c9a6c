"""What a catalogue of lineage is still to be told, in SQL. The lines are written by triggers (migration 0010)."""

from incumbent.base.errors import Corrupt
from incumbent.storage.cells import from_micros, to_micros
from incumbent.storage.session import Session
from incumbent.usecases.lineage_ports import Due


class SqlLineage:
    """Beginnings and ends of runs, in the order of their numbers; of one number each, for a transaction adds them one after another."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def turn(self, *, on: bool) -> None:
        """Have lines added from now on; or none, and forget those that are here."""
        if on:
            self._session.run("INSERT INTO settings (name, value) VALUES ('lineage', 'on') ON CONFLICT (name) DO NOTHING")
            return
        self._session.run("DELETE FROM settings WHERE name = 'lineage'")
        self._session.run("DELETE FROM lineage_events")

    def find_first(self) -> Due | None:
        """Return the first, whether or not it is time for it."""
        row = self._session.one(
            "SELECT number, run_id, kind, failures, next_at FROM lineage_events JOIN runs ON runs.run_no = lineage_events.run_no "
            "ORDER BY number LIMIT 1"
        )
        if row is None:
            return None
        number, run_id, kind, failures, next_at = row
        if kind not in {"START", "END"}:
            raise Corrupt(f"run {run_id}: the database holds {str(kind)[:20]!r} as what a catalogue is to be told of it")
        return Due(number, run_id, kind, failures, from_micros(next_at))

    def put_off(self, before: Due, after: Due) -> bool:
        """Replace failures and next_at, unless either is another than before, or it is gone: then return False."""
        changed = self._session.run(
            "UPDATE lineage_events SET failures = ?, next_at = ? WHERE number = ? AND failures = ? AND next_at = ?",
            (after.failures, to_micros(after.next_at), before.number, before.failures, to_micros(before.next_at)),
        )
        return changed == 1

    def remove(self, due: Due) -> bool:
        """Forget one that is as given; return whether it was."""
        removed = self._session.run(
            "DELETE FROM lineage_events WHERE number = ? AND failures = ? AND next_at = ?",
            (due.number, due.failures, to_micros(due.next_at)),
        )
        return removed == 1

    def count(self) -> int:
        """Return how many there are."""
        row = self._session.one("SELECT count(*) FROM lineage_events")
        assert row is not None
        return int(row[0])
