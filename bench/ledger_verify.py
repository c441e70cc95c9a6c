"""How fast an exported ledger is verified: entries a second, beside plain SHA-256 of the same bytes.

    python bench/ledger_verify.py [--entries 200000]

Limit: unzipping the entries and hashing each line once. Goal: 100,000 entries a second for the whole judgement of an export: unzip,
form, order, tree, documents, checkpoints. A checkpoint costs one Ed25519 verification, so their number is told apart: one for a batch
of 1,000, for a batch of 100, and for every entry, as a ledger has that commits act by act. The clock is CPU time; the median of 5.
"""

import argparse
import hashlib
import io
import statistics
import sys
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from measure import describe_machine

from incumbent.ledger.entry import Actor, Draft, ObjectRef
from incumbent.ledger.merkle import Tree
from incumbent.ledger.note import checkpoint_body, signature_line, write_note
from incumbent.ledger.offline import verify_export
from incumbent.ledger.proof import prove_consistency, prove_inclusion, tree_root, write_proof
from unit.ledger.exported import LOG, Export, private, proof_of, public

ROUNDS = 5


def cpu_s(call):
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        call()
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def make(entries):
    """Return an export without checkpoints, its entries like those of a night's retrains, and the tree's nodes."""
    made = Export()
    for number in range(1, entries):
        digests = [f"sha256:{hashlib.sha256(b'%d %d' % (number, kind)).hexdigest()}" for kind in range(3)]
        made.append(
            Draft("register", ObjectRef("version", f"flights-late@{number}", digests[0]), Actor("ann"), ("developer",)),
            refs=dict(zip(("evidence", "policy"), digests[1:], strict=True)),
            before="None",
            after="Staging",
            reason="nightly retrain",
            seal=False,
        )
    made.notes.clear()
    return made


def grow(made, every):
    """Sign a checkpoint after every so many entries and after the last; return the stored nodes."""
    tree, nodes, key = Tree(0, []), {}, private(1)
    for body in made.bodies:
        nodes |= {(node.level, node.index): node.hash for node in tree.append(body)}
        if tree.size % every == 0 or tree.size == len(made.bodies):
            note = checkpoint_body(LOG, tree.size, tree.root())
            made.notes[tree.size] = write_note(note, [signature_line(LOG, public(key), key.sign(note))])
    return nodes


def hash_lines(file):
    with zipfile.ZipFile(file) as archive, io.BufferedReader(archive.open("entries.jsonl"), 1 << 20) as lines:
        for line in lines:
            hashlib.sha256(line).digest()


def judge(file):
    report = verify_export(file)
    if not report.is_sound:
        sys.exit(f"the export is not sound: {report}")


def show(name, count, seconds, limit_s):
    print(f"  {name:46} {count / seconds:12,.0f}   {seconds / limit_s:6.1f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=200_000)
    entries = parser.parse_args().entries
    print(describe_machine())
    made = make(entries)
    nodes = grow(made, entries)
    bytes_mean = sum(map(len, made.bodies)) / entries
    files = made.packed()
    limit_s = cpu_s(lambda: hash_lines(files))
    print(f"\n{entries:,} entries of {bytes_mean:.0f} bytes, {len(files.getvalue()) / entries:.0f} in the archive")
    print(f"  {'':46} {'entries a s':>12}   {'ratio to unzip and SHA-256 (CPU)'}")
    show("unzip, one SHA-256 a line (limit)", entries, limit_s, limit_s)
    for every in (entries, 1_000, 100):
        made.notes.clear()
        grow(made, every)
        files = made.packed()
        show(f"verify, {len(made.notes):,} checkpoints", entries, cpu_s(lambda files=files: judge(files)), limit_s)
    few = make(entries // 20)
    grow(few, 1)
    files = few.packed()
    show(f"verify {len(few.bodies):,}, a checkpoint an entry", len(few.bodies), cpu_s(lambda: judge(files)), limit_s / 20)
    size, get = len(made.bodies), lambda level, index: nodes[level, index]
    proof = proof_of(size // 3, size, get, tree_root(size, get))
    print(f"\nproof of one entry in {size:,}: {32 * len(proof.hashes)} bytes of hashes, {len(write_proof(proof).encode())} as a tlog-proof")
    for name, call in (
        ("inclusion", lambda: prove_inclusion(size // 3, size, get)),
        ("consistency", lambda: prove_consistency(size // 3, size, get)),
    ):
        print(f"  {name} proof made in {cpu_s(lambda call=call: [call() for _ in range(1000)]) * 1000:.1f} us, nodes in memory")


if __name__ == "__main__":
    main()
