"""Writers of one process take turns in front of SQLite."""

import threading
from pathlib import Path

import pytest

from incumbent.base.errors import Conflict
from incumbent.storage.sql_store import SqlStore
from incumbent.storage.sqlite import SqliteDatabase


def test_a_writer_waits_for_another_thread_no_longer_than_the_timeout_and_readers_do_not(tmp_path: Path) -> None:
    store = SqlStore(SqliteDatabase(f"sqlite:///{tmp_path}/incumbent.db", "blake3", busy_timeout_s=0.1), "blake3")
    is_open, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with store.begin() as tx:
            tx.documents.put([{"by": "other"}])
            is_open.set()
            may_end.wait()

    other = threading.Thread(target=hold)
    other.start()
    is_open.wait()
    with pytest.raises(Conflict, match="held the database for 0.1 s; try again"), store.begin():
        pass
    with store.begin(read_only=True) as tx:
        assert list(tx.documents.list_digests()) == []
    may_end.set()
    other.join()
    with store.begin() as tx:
        assert len(list(tx.documents.list_digests())) == 1
    store.close()
