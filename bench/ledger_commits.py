"""Signed, durable ledger commits a second on SQLite, one by one and in batches, beside a plain unsigned INSERT on the same disk.

Goals: 150 commits/s of one entry each, 5,000 entries/s in batches of 100. Every commit is one FULL-synchronous transaction, on the disk
when it returns; ours has the entry, the tree's nodes and a signed checkpoint in it. The three take turns, round by round.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from measure import describe_machine

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.ledger_log import list_entries
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.recording import governed, record_act

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--folder", type=Path, help="where to write; the disk counts (default: a temporary folder)")
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--commits", type=int, default=150, help="one-entry commits a round")
parser.add_argument("--batches", type=int, default=10, help="batches of 100 a round")
arguments = parser.parse_args()
BATCH, ONE_GOAL, BATCH_GOAL = 100, 150, 5_000


def append(ws, count):
    with governed(ws) as tx:
        for number in range(count):
            record_act(ws, tx, act="note", kind="note", object_id=f"n{number}", reason="a reason of usual length, said in a few words")


def insert(plain, body, count):
    plain.execute("BEGIN IMMEDIATE")
    plain.executemany("INSERT INTO entries (body) VALUES (?)", [(body,)] * count)
    plain.execute("COMMIT")


def rate(work, rounds_of, count):
    begun = time.perf_counter()
    for _ in range(rounds_of):
        work(count)
    return rounds_of * count / (time.perf_counter() - begun)


with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="bench-ledger-") as name:
    folder = Path(name)
    ws = open_workspace(read_settings(folder, {"INCUMBENT_KEYS": str(folder / "keys"), "INCUMBENT_ACTOR": "bench"}))
    append(ws, 1)
    body = list_entries(ws, limit=1)[0].body
    plain = sqlite3.connect(folder / "plain.db", isolation_level=None)
    plain.execute("PRAGMA journal_mode=WAL")
    plain.execute("PRAGMA synchronous=FULL")
    plain.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    rates = {"one": [], "plain one": [], "batch": [], "plain batch": []}
    for number in range(arguments.rounds + 1):
        found = {
            "one": rate(lambda count: append(ws, count), arguments.commits, 1),
            "plain one": rate(lambda count: insert(plain, body, count), arguments.commits, 1),
            "batch": rate(lambda count: append(ws, count), arguments.batches, BATCH),
            "plain batch": rate(lambda count: insert(plain, body, count), arguments.batches, BATCH),
        }
        if number:  # the first round warms up
            for kind, value in found.items():
                rates[kind].append(value)
    verified = verify_ledger(ws)
    plain.close()
    ws.store.close()

told = "verifies" if verified.is_sound else "DOES NOT VERIFY"
print(describe_machine())
print(f"entries of {len(body)} bytes; {verified.report.size} in the ledger after, which {told}")
print(f"\n  {'entries a second, on the disk':32} {'median':>8} {'least':>8} {'most':>8}   ratio to plain   goal")


def describe(values):
    return f"{statistics.median(values):8.0f} {min(values):8.0f} {max(values):8.0f}"


for label, kind, goal in (("signed, one a commit", "one", ONE_GOAL), (f"signed, {BATCH} a commit", "batch", BATCH_GOAL)):
    own, other = statistics.median(rates[kind]), statistics.median(rates[f"plain {kind}"])
    print(f"  {label:32} {describe(rates[kind])}   {own / other:14.2f}   {goal} {'met' if own >= goal else 'MISSED'}")
    print(f"  {'  plain unsigned INSERT':32} {describe(rates[f'plain {kind}'])}")
sys.exit(0 if verified.is_sound else 1)
