"""`incumbent artifacts`: list, copy out, verify and collect what is stored."""

import argparse
import sys
from pathlib import Path

from incumbent.base.errors import InvalidInput
from incumbent.cli.command import print_json
from incumbent.cli.here import open_here
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.tracking.record import artifact_document
from incumbent.usecases.collect_garbage import GRACE_S, Retention, collect_garbage
from incumbent.usecases.get_artifact import get_artifact, list_run_artifacts
from incumbent.usecases.verify_artifacts import verify_artifacts
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
examples:
  incumbent artifacts ls run-0a1b2c
  incumbent artifacts get run-0a1b2c:model --output model
  incumbent artifacts get blake3:3f6b… --output raw.csv
  incumbent artifacts verify            exit code 4 if anything is not what was written
  incumbent artifacts gc --dry-run      what would go, with sizes
  incumbent artifacts gc --keep-runs 5  older runs keep their record and their data, but not what their stages gave
  incumbent artifacts gc --older-than 30 --keep-runs 1
"""
GC = """\
Remove what no run, version or cached action needs: data that no run used, outputs of attempts that were killed,
results that were replaced. Every run keeps what it gave, unless --keep-runs or --older-than say otherwise; with
both, a run must be past both. A run past them keeps its whole record (params, metrics, digests, logs) and all that
it began from (data, project files), so that `incumbent reproduce` makes the rest again. Runs of scripts, and runs
that a registered version came from, keep everything in any case. Safe while runs are going on.
"""
_PROGRESS_BLOBS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|get|verify|gc", required=True)
    ls = verbs.add_parser("ls", help="list the inputs and outputs of a run")
    ls.add_argument("run", metavar="RUN", help="id of the run, or a unique beginning of it")
    get = verbs.add_parser("get", help="copy an artifact out: a file, or a folder")
    get.add_argument("artifact", metavar="RUN:NAME|DIGEST")
    get.add_argument("--output", type=Path, metavar="PATH", help="where to; must not exist (default: the artifact's name, here)")
    verify = verbs.add_parser("verify", help="hash every blob and document again, derive every key, check every seal")
    gc = verbs.add_parser(
        "gc",
        help="remove what no run, version or cached action needs",
        description=GC,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    gc.add_argument(
        "--keep-runs", type=int, metavar="N", help="only the newest N finished runs of each pipeline keep what their stages gave"
    )
    gc.add_argument("--older-than", type=float, metavar="DAYS", help="only runs that ended within DAYS keep what their stages gave")
    gc.add_argument("--dry-run", action="store_true", help="only say what would go")
    gc.add_argument(
        "--grace",
        type=float,
        default=GRACE_S,
        metavar="SECONDS",
        help="nothing younger goes (default: %(default)g; less only when nothing runs)",
    )
    gc.add_argument("--sole-user", action="store_true", help="no other checkout keeps blobs at this INCUMBENT_BLOBS")
    gc.add_argument("--ignore-damage", action="store_true", help="go on although a needed list or folder cannot be read: its parts may go")
    for sub, run_verb in ((ls, _ls), (get, _get), (verify, _verify), (gc, _gc)):
        sub.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
        sub.set_defaults(run_verb=run_verb)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    ws = open_here()
    try:
        code: int = arguments.run_verb(ws, arguments)
        return code
    finally:
        ws.store.close()


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    rows = list_run_artifacts(ws, run_id=arguments.run)
    if arguments.json:
        print_json({"artifacts": [artifact_document(row) for row in rows]})
        return 0
    print_table(
        ["direction", "name", "kind", "size", "digest"],
        [[row.direction, row.name, row.artifact.codec, show_bytes(row.artifact.size), row.artifact.digest] for row in rows],
    )
    return 0


def _get(ws: Workspace, arguments: argparse.Namespace) -> int:
    name = arguments.artifact.partition(":")[2]
    target = arguments.output or Path(name)
    if arguments.output is None and (not name or target.name != name):
        raise InvalidInput(f"{arguments.artifact[:80]!r} gives no name for a file here; say where to with --output PATH")
    artifact = get_artifact(ws, reference=arguments.artifact, target=target)
    if arguments.json:
        print_json({"path": str(target), **artifact.to_json()})  # type: ignore[dict-item]  # a mapping of JSON values, spread
    else:
        say(f"{target}: {artifact.codec}, {show_bytes(artifact.size)}, {artifact.digest}")
    return 0


def _verify(ws: Workspace, arguments: argparse.Namespace) -> int:
    def show(done: int, total: int) -> None:
        if sys.stderr.isatty() and (done % _PROGRESS_BLOBS == 0 or done == total):
            sys.stderr.write(f"\rchecking blobs: {done} of {total}" + ("\n" if done == total else ""))

    found = verify_artifacts(ws, progress=show)
    if arguments.json:
        print_json(found.to_json())
    else:
        say(
            f"checked {found.blobs} blobs ({show_bytes(found.blob_bytes)}), {found.documents} documents, {found.actions} cached actions, "
            f"{found.runs} sealed runs"
        )
        for problem in found.problems:
            say(f"- {problem}")
        say(f"{len(found.problems)} problems" if found.problems else "all is what was written")
    return 4 if found.problems else 0


def _gc(ws: Workspace, arguments: argparse.Namespace) -> int:
    done = collect_garbage(
        ws,
        retention=Retention(arguments.keep_runs, arguments.older_than),
        dry_run=arguments.dry_run,
        grace_s=arguments.grace,
        ignore_damage=arguments.ignore_damage,
        is_sole_user=arguments.sole_user,
    )
    if arguments.json:
        print_json(done.to_json())
        return 0
    if done.is_dry_run:
        for digest, size in done.blobs:
            say(f"{digest}  {show_bytes(size)}")
    if done.spent_runs:
        word = "to forget" if done.is_dry_run else "forgotten"
        say(f"{done.spent_runs} older runs keep only their record; cached results {word}: {done.actions}")
    say(
        f"{'would remove' if done.is_dry_run else 'removed'} {len(done.blobs)} blobs ({show_bytes(done.freed_bytes)}) "
        f"and {len(done.documents)} documents; {done.kept_blobs} blobs stay"
    )
    return 0


def show_bytes(count: int) -> str:
    """Return a size with its unit, in powers of 1,024.

    >>> show_bytes(999), show_bytes(1536), show_bytes(3 << 30)
    ('999 B', '1.5 KiB', '3.0 GiB')
    """
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
