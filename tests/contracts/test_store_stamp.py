"""A stamp that stays says that what was read after it holds: whoever commits changes it, from wherever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from incumbent.storage.sql_store import open_sql_store

COMMIT = """
import sys
from incumbent.storage.sql_store import open_sql_store
store = open_sql_store(sys.argv[1], algorithm="blake3")
with store.begin(durable=False) as tx:
    tx.documents.put([{"by": "another process"}])
store.close()
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/incumbent.db"


@pytest.fixture
def store(url):
    store = open_sql_store(url, algorithm="blake3")
    yield store
    store.close()


def commit(store, text):
    with store.begin() as tx:
        tx.documents.put([{"by": text}])


def _write_and_fail(store):
    with store.begin() as tx:
        tx.documents.put([{"by": "nobody"}])
        raise ZeroDivisionError


def test_it_stays_while_nobody_commits(store) -> None:
    before = store.stamp()
    assert before is not None
    with store.begin(read_only=True) as tx:
        assert list(tx.documents.list_digests()) == []
    with pytest.raises(ZeroDivisionError):
        _write_and_fail(store)
    assert store.stamp() == before


def test_every_commit_changes_it_for_good(store, url) -> None:
    other = open_sql_store(url, algorithm="blake3")
    seen = [store.stamp()]
    for one in (store, other):
        commit(one, f"{one}")
        seen.append(store.stamp())
    subprocess.run([sys.executable, "-c", COMMIT, url], check=True)
    seen.append(store.stamp())
    other.close()
    assert len(set(seen)) == len(seen), seen


def test_while_a_writer_has_not_committed_it_stays_and_waits_for_nobody(store) -> None:
    before = store.stamp()
    with store.begin() as tx:
        tx.documents.put([{"by": "me"}])
        assert store.stamp() == before
    assert store.stamp() != before


def test_it_hinders_no_check_point_and_no_closing(store, tmp_path) -> None:
    assert store.stamp() is not None
    commit(store, "me")
    store.stamp()
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["incumbent.db"], "the last to close folds the WAL in"


def test_a_forked_process_and_a_store_in_memory_have_none(store) -> None:
    assert store.stamp() is not None
    child = os.fork()
    if not child:
        os._exit(store.stamp() is not None)
    assert os.waitpid(child, 0)[1] == 0
    in_memory = open_sql_store("sqlite://", algorithm="blake3")
    assert in_memory.stamp() is None
    in_memory.close()
