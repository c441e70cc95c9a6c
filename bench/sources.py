"""Taking in data: one large file (linked, copied) and ten thousand small ones, new and unchanged, beside what the machine can do.

The limits do one part of the work each: reading, hashing (BLAKE3 on all cores), copying to a synced disk, looking (stat). Every
figure is the work alone, in a process of its own with the libraries loaded, in turns; the store is empty before each take-in.
Goals: 2 GiB linked in 0.5 s, copied in one pass, re-checked in 5 ms; 10,000 x 20 kB in 1 s, durable, re-checked in 0.1 s.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import describe_machine

from incumbent.execution.codecs.table import CodecTable
from incumbent.execution.sources.capture import DeclaredSources
from incumbent.execution.stat_cache import StatCache
from incumbent.pipeline.source import file, folder
from incumbent.storage.blobs_local import open_local_blobs

CHUNK_BYTES = 1 << 20
SMALL_BYTES = 20_000


def write_big(path: Path, size: int) -> None:
    """Write `size` bytes that do not compress and do not repeat."""
    with path.open("wb") as target:
        for _ in range(0, size, CHUNK_BYTES):
            target.write(os.urandom(min(CHUNK_BYTES, size)))


def write_many(path: Path, count: int) -> None:
    """Write `count` files of 20 kB into 100 folders."""
    for number in range(count):
        place = path / f"{number % 100:02}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"part-{number:05}.bin").write_bytes(os.urandom(SMALL_BYTES))


def capture(root: Path, kind: str, *, link: bool = False) -> None:
    """Take in one of the two sources."""
    state = root / ".incumbent"
    state.mkdir(exist_ok=True)
    blobs = open_local_blobs(state / "blobs", "blake3")
    cache = StatCache(state / "stat.db")
    spec = file("big.bin", link=link) if kind == "big" else folder("many")
    DeclaredSources(root, blobs, CodecTable(), cache).capture(spec)
    cache.close()


def read_all(root: Path, kind: str, target: Path | None = None, *, hashes: bool = False) -> None:
    """Read a source as plainly as can be; hash it, or copy it and wait for the disk."""
    from blake3 import blake3

    names = ["big.bin"] if kind == "big" else [str(path.relative_to(root)) for path in (root / "many").rglob("*.bin")]
    for name in names:
        if hashes and kind == "big":
            blake3(max_threads=blake3.AUTO).update_mmap(root / name)
            continue
        with (root / name).open("rb", buffering=0) as source:
            output = None if target is None else (target / name.replace("/", "-")).open("xb", buffering=0)
            while chunk := source.read(CHUNK_BYTES):
                if hashes:
                    blake3(chunk).digest()
                if output is not None:
                    output.write(chunk)
    if target is not None:
        os.sync()


def stat_all(root: Path, kind: str) -> None:
    """Look at every file of a source."""
    if kind == "big":
        os.stat(root / "big.bin")
        return
    for place, _, names in os.walk(root / "many"):
        for name in names:
            os.stat(os.path.join(place, name))


def with_copy(root: Path, kind: str) -> None:
    """Copy a source beside itself, and wait for the disk."""
    target = root / "copy"
    target.mkdir()
    read_all(root, kind, target)


TASKS = {
    "stat (limit)": stat_all,
    "read, no hash (limit)": read_all,
    "BLAKE3 (limit)": lambda root, kind: read_all(root, kind, hashes=True),
    "copy and sync (limit)": with_copy,
    "take in, linked": lambda root, kind: capture(root, kind, link=True),
    "take in, copied": capture,
    "re-check, unchanged": capture,
}
BIG = list(TASKS)
MANY = [name for name in TASKS if "linked" not in name]


def do_task(root: Path, kind: str, name: str) -> None:
    """Do one task in this process and print its figures."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    TASKS[name](root, kind)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([wall, cpu, after.ru_maxrss / 1024]))


def set_aside(root: Path) -> None:
    """Put what the last task made out of the way. Deleting it would slow the next: ext4 passes over inodes that were freed lately."""
    for name in (".incumbent", "copy"):
        if (root / name).exists():
            (root / name).rename(root / f"done-{time.monotonic_ns()}")


def compare(root: Path, kind: str, names: list[str], rounds: int, references: dict[str, str]) -> None:
    """Run every task `rounds` times, in turns, and print medians with the ratio to a limit."""
    taken: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            if not name.startswith("re-check"):
                set_aside(root)
                os.sync()
            command = [sys.executable, __file__, "--task", name, "--kind", kind, "--folder", str(root)]
            taken[name].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    figures = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in taken.items()}
    print(f"  {'':28} {'wall s':>8} {'CPU s':>8} {'peak MB':>8}   ratio (wall)")
    for name, (wall, cpu, peak) in figures.items():
        limit = references.get(name)
        ratio = "" if limit is None else f"{wall / figures[limit][0]:.2f} x {limit}"
        print(f"  {name:28} {wall:8.4f} {cpu:8.3f} {peak:8.0f}   {ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bytes", type=int, default=2 << 30, help="size of the large file")
    parser.add_argument("--files", type=int, default=10_000, help="number of small files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="work here (a file system of interest); a temporary folder by default")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        do_task(arguments.folder, arguments.kind, arguments.task)
        return
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="bench-sources-", dir=arguments.folder) as place:
        root = Path(place).resolve()
        write_big(root / "big.bin", arguments.bytes)
        write_many(root / "many", arguments.files)
        os.sync()
        time.sleep(0.2)
        print(f"\none file of {arguments.bytes:,} bytes")
        references = {
            "take in, linked": "BLAKE3 (limit)",
            "take in, copied": "copy and sync (limit)",
            "re-check, unchanged": "stat (limit)",
        }
        compare(root, "big", BIG, arguments.rounds, references)
        set_aside(root)
        print(f"\n{arguments.files:,} files of {SMALL_BYTES:,} bytes")
        compare(root, "many", MANY, arguments.rounds, references)


if __name__ == "__main__":
    main()
