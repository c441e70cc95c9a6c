"""What it costs to have a prediction on record before it is answered: appends alone, by 16 callers, by batches; and one looked for.

    python bench/predictions.py            limits: an fdatasync of as many bytes; the table of the database (SQLite, synced)
    python bench/predictions.py --kill 100   a process of 4 threads is killed that often under load; every acknowledged record must be there

A record has the 25 features of one row. Appends are wall clock, for they wait for a disk: compare the columns of one run.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from measure import describe_machine

from incumbent.execution.system_clock import TimeIds
from incumbent.registry.model import Prediction
from incumbent.storage.prediction_log.folder import FolderPredictionLog
from incumbent.storage.prediction_log.segment import encode_batch, read_batches
from incumbent.storage.sql_predictions import SqlPredictionLog
from incumbent.storage.sql_store import open_sql_store

ALONE, CALLERS, EACH, BATCHES, BATCH = 300, 16, 100, 20, 10_000
IDS = TimeIds()


def make(number):
    row = {f"feature_{place}": number / (place + 3) for place in range(25)}
    return Prediction(IDS.new("prediction"), "credit/eu", "credit", 3, datetime.now(UTC), [row], [{"p": number / 7}], 0.25, caller="ann")


def append_ms(append):
    """Return the median milliseconds of one append, alone."""
    taken = []
    for number in range(ALONE):
        one = make(number)
        begun = time.perf_counter()
        append(one)
        taken.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(taken)


def shared_per_s(log):
    """Return acknowledged appends a second of callers that each wait for theirs."""
    records = [[make(number) for number in range(EACH)] for _ in range(CALLERS)]
    threads = [threading.Thread(target=lambda mine=mine: [log.append([one]).result() for one in mine]) for mine in records]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return CALLERS * EACH / (time.perf_counter() - begun)


def batch_rows_per_s(log):
    """Return the median rows a second of batches, each waited for."""
    rows = [make(number) for number in range(BATCH)]
    taken = []
    for _ in range(BATCHES):
        begun = time.perf_counter()
        log.append(rows).result()
        taken.append(BATCH / (time.perf_counter() - begun))
    return statistics.median(taken)


def compare(folder):
    store = open_sql_store(f"sqlite:///{folder / 'incumbent.db'}", algorithm="blake3")
    log, table = FolderPredictionLog(folder / "log"), SqlPredictionLog(store)
    number = os.open(folder / "limit", os.O_WRONLY | os.O_CREAT)

    def limit(one):
        os.write(number, encode_batch([one]))
        os.fdatasync(number)

    print(f"one append alone, p50 ms      limit {append_ms(limit):.2f}   log {append_ms(lambda one: log.append([one]).result()):.2f}   "
          f"table {append_ms(lambda one: table.append([one]).result()):.2f}")  # fmt: skip
    print(f"the same, not waited for, p50 ms   log {append_ms(lambda one: log.append([one])):.4f}")
    print(f"{CALLERS} callers, appends/s    log {shared_per_s(log):,.0f}   table {shared_per_s(table):,.0f}")
    print(f"batches of {BATCH:,}, rows/s    log {batch_rows_per_s(log):,.0f}   table {batch_rows_per_s(table):,.0f}")
    first = make(0)
    old = FolderPredictionLog(folder / "old")
    old.append([first]).result()
    old.close()
    os.rename(next((folder / "old").iterdir()), folder / "log" / "00.arrows")  # the oldest: looked at last
    begun = time.perf_counter()
    assert log.find(first.prediction_id) == first
    size = sum(path.stat().st_size for path in (folder / "log").iterdir())
    print(f"the oldest found in {size / 1e6:.0f} MB    log {(time.perf_counter() - begun) * 1e3:.0f} ms")
    log.close()
    store.close()


def work(folder):
    """Append from four threads until killed; print each id once it is acknowledged."""
    log, turn = FolderPredictionLog(folder, segment_bytes_max=200_000), threading.Lock()

    def loop():
        for number in range(10**9):
            one = make(number)
            log.append([one]).result()
            with turn:
                print(one.prediction_id, flush=True)

    for _ in range(4):
        threading.Thread(target=loop, daemon=True).start()
    threading.Event().wait()


def kill(folder, times):
    acknowledged = set()
    for number in range(times):
        with subprocess.Popen([sys.executable, __file__, "--work", str(folder)], stdout=subprocess.PIPE, text=True) as worker:
            lines = [worker.stdout.readline() for _ in range(20 + 7 * number)]
            worker.kill()
            lines += worker.stdout.read().splitlines(keepends=True)
        acknowledged.update(line.strip() for line in lines if line.endswith("\n"))
    kept = {name for path in folder.glob("*.arrows") for batch in read_batches(path) for name in batch.column("prediction_id").to_pylist()}
    print(f"killed {times} times: {len(acknowledged):,} acknowledged, {len(acknowledged - kept)} of them lost, {len(kept):,} kept")
    return int(not acknowledged <= kept)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kill", type=int, default=0)
    parser.add_argument("--work", type=Path)
    asked = parser.parse_args()
    if asked.work:
        return work(asked.work)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        return kill(Path(folder) / "log", asked.kill) if asked.kill else compare(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
