"""What one logged point costs the thread that trains: CPU a call, side by side with the floor and with a database insert.

    python bench/log_metric.py

Floor: one os.write of as many bytes to a file. Ceiling: one SQLite insert and commit a point (WAL, synchronous=NORMAL, which a
power cut may undo; and FULL, which it may not). The clock is the CPU time of the calling thread; what the draining thread uses
beside it is told apart.
"""

import os
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from incumbent.usecases.live_run import begin_run
from tracked import open_tracked

CALLS = 50_000
ROUNDS = 5
RECORD = b"x" * 49
"""As long as the frame and payload of a point of a metric called loss."""


def cost_us(call, calls=CALLS):
    """Return CPU microseconds of this thread a call, the median of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        begin = time.thread_time()
        for number in range(calls):
            call(number)
        rounds.append((time.thread_time() - begin) / calls * 1e6)
    return statistics.median(rounds)


def bench_write(folder):
    fd = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT)
    try:
        return cost_us(lambda _: os.write(fd, RECORD))
    finally:
        os.close(fd)


def bench_sqlite(folder, synchronous):
    raw = sqlite3.connect(folder / f"{synchronous}.db", isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute(f"PRAGMA synchronous = {synchronous}")
    raw.execute("CREATE TABLE points (run TEXT, name TEXT, step INTEGER, at INTEGER, value REAL)")
    try:
        insert = "INSERT INTO points VALUES ('run', 'loss', ?, ?, ?)"
        return cost_us(lambda number: raw.execute(insert, (number, time.time_ns(), 0.5)), CALLS // 25)
    finally:
        raw.close()


def bench_ours(folder):
    ws = open_tracked(folder)
    with begin_run(ws) as run:
        process, thread = time.process_time(), time.thread_time()
        logged = cost_us(lambda number: run.log_metric("loss", 0.5, number))
        run.flush()
        drained = ((time.process_time() - process) - (time.thread_time() - thread)) / (CALLS * ROUNDS) * 1e6
        begin = time.perf_counter()
        run.finish()
        finish_s = time.perf_counter() - begin
    ws.store.close()
    return logged, drained, finish_s


def main():
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        ours, drained, finish_s = bench_ours(folder)
        rows = [
            ("os.write of one record (floor)", bench_write(folder)),
            ("run.log_metric", ours),
            ("sqlite3 insert and commit, NORMAL", bench_sqlite(folder, "NORMAL")),
            ("sqlite3 insert and commit, FULL", bench_sqlite(folder, "FULL")),
        ]
    for name, cost in rows:
        print(f"{name:<36} {cost:8.2f} us CPU a call   {cost / ours:6.2f} x log_metric")
    print(f"{'draining, in another thread':<36} {drained:8.2f} us CPU a point")
    print(f"finish of a run of {CALLS * ROUNDS} points, with its seal: {finish_s:.2f} s")


if __name__ == "__main__":
    main()
