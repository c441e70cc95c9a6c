"""The prediction log: what every back end promises, and what segments promise besides."""

import asyncio
import errno
import math
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from incumbent.base.errors import Corrupt, InvalidInput, Unavailable
from incumbent.registry.model import Prediction
from incumbent.storage.prediction_log import segment
from incumbent.storage.prediction_log.folder import FolderPredictionLog
from incumbent.storage.sql_predictions import SqlPredictionLog
from incumbent.storage.sql_store import open_sql_store

AT = datetime(2013, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)


def make(number, **fields):
    made = Prediction(f"prediction-{number:020d}", "double/eu", "double", 3, AT, [{"x": number + 0.5, "who": "ünï"}], [{"y": None}], 0.25)
    return replace(made, **fields)


@pytest.fixture(params=["folder", "sql"])
def log(request, tmp_path):
    if request.param == "folder":
        made = FolderPredictionLog(tmp_path / "log")
        yield made
        made.close()
    else:
        store = open_sql_store("sqlite://", algorithm="blake3")
        yield SqlPredictionLog(store)
        store.close()


@pytest.fixture
def folder_log(tmp_path):
    made = FolderPredictionLog(tmp_path / "log")
    yield made
    made.close()


def segments(tmp_path):
    return sorted((tmp_path / "log").iterdir())


def test_what_was_acknowledged_is_found_as_it_was_given(log):
    one, two = make(1), make(2, output={"a": [1, 2.5, "x", True]}, inputs=None, latency_ms=float("inf"))
    log.append([one]).result()
    log.append([two, make(3)]).result()
    log.append([]).result()
    assert (log.find(one.prediction_id), log.find(two.prediction_id)) == (one, two)
    assert log.find("prediction-none") is None


@pytest.mark.parametrize("fields", [{"slot": "half \ud800"}, {"slot": "nul \0"}, {"inputs": object()}, {"at": AT.replace(tzinfo=None)}])
def test_what_cannot_be_kept_is_refused_and_the_log_goes_on(log, fields):
    with pytest.raises(InvalidInput):
        log.append([make(1), make(2, **fields)]).result()
    assert log.find(make(1).prediction_id) is None
    log.append([make(3)]).result()
    assert log.find(make(3).prediction_id) == make(3)


def test_a_coroutine_and_many_threads_append_to_one_log(log):
    async def main():
        await asyncio.gather(*(asyncio.wrap_future(log.append([make(number)])) for number in range(20)))

    asyncio.run(main())
    threads = [
        threading.Thread(target=lambda first=first: log.append([make(first), make(first + 1)]).result()) for first in (100, 200, 300)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(log.find(make(number).prediction_id) == make(number) for number in (*range(20), 100, 101, 200, 201, 300, 301))


def test_every_field_is_a_column_that_polars_reads_by_itself(folder_log, tmp_path):
    given = make(1, bundle="blake3:00", assignment="canary", zone="inside", purpose="credit", caller="ann")
    folder_log.append([given]).result()
    folder_log.append([make(2)]).result()
    [path] = segments(tmp_path)
    frame = pl.read_ipc_stream(path)
    assert frame["prediction_id"].to_list() == [given.prediction_id, make(2).prediction_id]
    assert frame["inputs"].str.json_path_match("$[0].x").to_list() == ["1.5", "2.5"]
    assert frame.row(0)[-5:] == ("blake3:00", "canary", "inside", "credit", "ann")
    assert frame["at"].to_list() == [AT, AT]
    assert folder_log.find(given.prediction_id) == given


class Disk:
    """Counts waits for the disk, and holds or fails them."""

    def __init__(self, monkeypatch):
        self.waits, self.held, self.begun = 0, threading.Event(), threading.Event()
        self.held.set()
        self.fails = None
        self.real = os.fdatasync
        monkeypatch.setattr(segment.os, "fdatasync", self.sync)

    def sync(self, number):
        self.waits += 1
        self.begun.set()
        assert self.held.wait(30)
        if self.fails:
            raise OSError(self.fails, os.strerror(self.fails))
        self.real(number)


def test_appends_that_come_during_a_wait_for_the_disk_share_the_next_one(folder_log, monkeypatch):
    disk = Disk(monkeypatch)
    disk.held.clear()
    first = folder_log.append([make(0)])
    assert disk.begun.wait(30)
    others = [folder_log.append([make(number)]) for number in range(1, 51)]
    assert not any(future.done() for future in (first, *others))  # nothing is acknowledged that is not on disk
    disk.held.set()
    for future in (first, *others):
        future.result(30)
    assert disk.waits == 2


def test_one_that_cannot_be_kept_does_not_take_its_neighbours_along(folder_log, monkeypatch):
    disk = Disk(monkeypatch)
    disk.held.clear()
    folder_log.append([make(0)])
    assert disk.begun.wait(30)
    good, bad, also = folder_log.append([make(1)]), folder_log.append([make(2, inputs=object())]), folder_log.append([make(3)])
    disk.held.set()
    good.result(30)
    also.result(30)
    with pytest.raises(InvalidInput):
        bad.result(30)
    assert folder_log.find(make(2).prediction_id) is None


def test_more_than_may_wait_is_refused_at_once(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    log = FolderPredictionLog(tmp_path / "log", waiting_max=3)
    disk.held.clear()
    first = log.append([make(0)])
    assert disk.begun.wait(30)
    waiting = log.append([make(1), make(2), make(3)])
    with pytest.raises(Unavailable, match="3 answers wait for the disk already"):
        log.append([make(4)]).result()
    disk.held.set()
    first.result(30)
    waiting.result(30)
    log.close()
    assert log.find(make(4).prediction_id) is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails_refuses_keeps_nothing_of_it_and_goes_on_in_another_segment(folder_log, tmp_path, monkeypatch, code):
    disk = Disk(monkeypatch)
    folder_log.append([make(1)]).result()
    [path] = segments(tmp_path)
    before = path.read_bytes()
    disk.fails = code
    with pytest.raises(Unavailable, match="the disk is full|Input/output error"):
        folder_log.append([make(2)]).result()
    assert path.read_bytes() == before
    disk.fails = None
    folder_log.append([make(3)]).result()
    assert len(segments(tmp_path)) == 2
    assert [folder_log.find(make(n).prediction_id) is not None for n in (1, 2, 3)] == [True, False, True]


def test_a_write_that_the_disk_takes_in_part_is_finished_or_undone(folder_log, tmp_path, monkeypatch):
    real, room = os.pwrite, [10**6]

    def pwrite(number, data, at):
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "full")
        written = real(number, data[: min(37, room[0])], at)
        room[0] -= written
        return written

    monkeypatch.setattr(segment.os, "pwrite", pwrite)
    folder_log.append([make(1)]).result()
    room[0] = 100
    with pytest.raises(Unavailable, match="the disk is full"):
        folder_log.append([make(2)]).result()
    [path] = segments(tmp_path)
    assert sum(batch.num_rows for batch in segment.read_batches(path)) == 1
    assert pl.read_ipc_stream(path).height == 1


def test_wherever_a_segment_is_torn_the_whole_batches_before_are_read(folder_log, tmp_path):
    for number in range(3):
        folder_log.append([make(number)]).result()
    [path] = segments(tmp_path)
    data = path.read_bytes()
    head = len(segment.SCHEMA.serialize())
    size = (len(data) - head) // 3
    torn = tmp_path / "torn.arrows"
    for end in range(head, len(data) + 1, 31):
        for tail in (b"", bytes(len(data) - end)):  # killed while it wrote; or a power cut that kept the length and lost the bytes
            torn.write_bytes(data[:end] + tail)
            read = [segment.decode_row(batch, row) for batch in segment.read_batches(torn) for row in range(batch.num_rows)]
            assert read == [make(number) for number in range(len(read))]
            whole = (end - head) // size
            # A batch ends in padding, which is zeros already: among zeros it is whole sooner than its last byte was written.
            assert len(read) == whole if not tail else whole <= len(read) <= whole + 1


def test_damage_before_whole_batches_is_told_and_not_taken_for_the_end(folder_log, tmp_path):
    folder_log.append([make(1)]).result()
    [path] = segments(tmp_path)
    edited = path.read_bytes()
    assert edited.count(b'"y":null') == 1
    folder_log.append([make(2)]).result()
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"y":null', b'"y":1234', 1))
    with pytest.raises(Corrupt, match="a batch of the prediction log is damaged"):
        folder_log.find("prediction-none")


def test_a_full_segment_is_followed_by_another(tmp_path):
    log = FolderPredictionLog(tmp_path / "log", segment_bytes_max=1)
    for number in range(3):
        log.append([make(number)]).result()
    log.close()
    assert len(segments(tmp_path)) == 3
    assert all(log.find(make(number).prediction_id) for number in range(3))


_WRITER = """
import sys, threading
from datetime import UTC, datetime
from pathlib import Path
from incumbent.registry.model import Prediction
from incumbent.storage.prediction_log.folder import FolderPredictionLog
log = FolderPredictionLog(Path(sys.argv[1]), segment_bytes_max=20_000)
turn = threading.Lock()
def work(name):
    for number in range(1_000_000):
        one = Prediction(f"{name}-{number}", "s", "m", 1, datetime(2013, 1, 1, tzinfo=UTC), [{"x": number}], [{"y": number}], 0.5)
        log.append([one]).result()
        with turn:
            print(one.prediction_id, flush=True)
for name in "abcd":
    threading.Thread(target=work, args=(name,), daemon=True).start()
threading.Event().wait()
"""


def test_nothing_acknowledged_is_lost_to_kill_9_under_load(tmp_path):
    acknowledged = set()
    for lines in (40, 230):
        with subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True) as writer:
            mine = [writer.stdout.readline() for _ in range(lines)]
            writer.send_signal(signal.SIGKILL)
            mine += writer.stdout.read().splitlines(keepends=True)
        acknowledged.update(f"{line}" for line in mine if line.endswith("\n"))
    kept = [
        f"{name}\n" for path in segments(tmp_path) if path.suffix == ".arrows" for batch in segment.read_batches(path)
        for name in batch.column("prediction_id").to_pylist()
    ]  # fmt: skip
    assert acknowledged <= set(kept)
    assert len(acknowledged) > 100


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_writes_to_a_segment_of_its_own(folder_log, tmp_path):
    folder_log.append([make(1)]).result()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            folder_log.append([make(2)]).result(30)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    folder_log.append([make(3)]).result()
    assert len(segments(tmp_path)) == 2
    assert all(folder_log.find(make(number).prediction_id) for number in (1, 2, 3))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | st.text() | st.sampled_from(["half \ud800", "nul \0", "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(JSON)
@example([math.nan, math.inf, -math.inf, None])
@example({"half": "\ud800", "big": 2**70})
def test_every_json_value_comes_back_with_nan_and_infinities_as_they_were(value):
    table = pa.ipc.open_stream(segment.SCHEMA.serialize().to_pybytes() + segment.encode_batch([make(1, inputs=value)])).read_all()
    assert repr(segment.decode_row(table.to_batches()[0], 0).inputs) == repr(value)


def test_the_schema_is_the_record():
    assert segment.SCHEMA.names == list(Prediction.__slots__)
    assert segment.SCHEMA.field("at").type == pa.timestamp("us", "UTC")
