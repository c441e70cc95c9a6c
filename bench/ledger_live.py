"""How fast `ledger verify` judges a live ledger in SQLite: entries a second, beside reading and hashing the same rows.

    python bench/ledger_live.py [--entries 20000]

Every entry is a transaction of its own, so there is a signed checkpoint for each. Limit: one SELECT of the entries and one SHA-256 of each.
Floor of `--all-checkpoints`: one Ed25519 verification a checkpoint, by `cryptography` alone. Goal: 50,000 entries a second without it.
Half of a second ledger's acts make a governed document of 400 bytes, as policies, evidence and sign-offs do. CPU time; the median of 5.
"""

import argparse
import hashlib
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from measure import describe_machine

from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.recording import governed, record_act

ROUNDS, GOAL = 5, 50_000


def cpu_s(call):
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        call()
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def make(folder, entries, document_every):
    """Return a workspace whose ledger has so many entries, one a transaction."""
    ws = open_workspace(read_settings(folder, {"INCUMBENT_KEYS": str(folder / "keys"), "INCUMBENT_ACTOR": "bench"}))
    for number in range(entries - 1):  # and the one that begins the ledger
        body = {"number": number, "rules": "x" * 400} if document_every and number % document_every == 0 else None
        with governed(ws) as tx:
            record_act(
                ws, tx, act="note", kind="note", object_id=f"n{number}", body=body, reason="a reason of usual length, said in a few words"
            )
    return ws


def hash_rows(path):
    with closing(sqlite3.connect(path)) as db:
        for (body,) in db.execute("SELECT body FROM ledger_entries ORDER BY seq"):
            hashlib.sha256(body).digest()


def judge(ws, **asked):
    found = verify_ledger(ws, **asked)
    if not found.is_sound:
        sys.exit(f"the ledger is not sound: {found}")


def ed25519_a_second():
    key, note = Ed25519PrivateKey.generate(), b"x" * 90
    public, signature = key.public_key(), key.sign(note)
    return 2_000 / cpu_s(lambda: [public.verify(signature, note) for _ in range(2_000)])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000)
    entries = parser.parse_args().entries
    print(describe_machine())
    print(f"Ed25519, one by one: {ed25519_a_second():,.0f} verifications a second")
    for title, document_every in (("notes", 0), ("half of them with a document", 2)):
        with tempfile.TemporaryDirectory(prefix="bench-ledger-") as name:
            ws = make(Path(name), entries, document_every)
            path = ws.folder / "incumbent.db"
            limit_s = cpu_s(lambda path=path: hash_rows(path))
            found = {
                "SELECT and SHA-256 of the entries (limit)": limit_s,
                "ledger verify": cpu_s(lambda ws=ws: judge(ws)),
                "ledger verify --all-checkpoints": cpu_s(lambda ws=ws: judge(ws, every_signature=True)),
            }
            ws.store.close()
        print(f"\n{entries:,} entries, {title}, a checkpoint each\n  {'':44} {'entries a s':>12}   ratio to the limit (CPU)")
        for label, seconds in found.items():
            rate = entries / seconds
            told = f"   goal {GOAL:,} {'met' if rate >= GOAL else 'MISSED'}" if label == "ledger verify" else ""
            print(f"  {label:44} {rate:12,.0f}   {seconds / limit_s:6.1f}{told}")


if __name__ == "__main__":
    main()
