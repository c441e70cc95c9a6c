"""`incumbent import mlflow`: bring an MLflow store over."""

import argparse
import os
import sys
from pathlib import Path

from incumbent.base.shown import show_line
from incumbent.bootstrap.mlflow_source import open_mlflow_source
from incumbent.cli.command import print_json
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.usecases.import_mlflow import import_mlflow
from incumbent.usecases.import_mlflow_report import ImportReport
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
examples:
  incumbent import mlflow http://127.0.0.1:5000 --dry-run        what would come, counted
  incumbent import mlflow http://127.0.0.1:5000
  incumbent import mlflow sqlite:///mlflow.db                    artifacts in mlartifacts/ or mlruns/ beside it
  incumbent import mlflow mlruns                                 a folder, as MLflow made them before it had a database
  incumbent import mlflow sqlite:////srv/mlflow.db --artifacts /srv/artifacts

exit code 1 if something was refused, 4 if the comparison at the end found a difference
"""
SHOWN_MAX = 20
_RUNS_BETWEEN = 25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="mlflow", required=True)
    mlflow = verbs.add_parser("mlflow", help="a running MLflow server, an SQLite file with its artifact folder, or a folder of files")
    mlflow.add_argument("address", metavar="URI", help="http(s)://HOST:PORT, sqlite:///PATH, or a folder")
    mlflow.add_argument("--artifacts", type=Path, metavar="DIR", help="with sqlite or a folder: the folder of the artifacts")
    mlflow.add_argument("--dry-run", action="store_true", help="only count")
    mlflow.add_argument("--again", action="store_true", help="read everything again, also what looks unchanged since the last import")
    set_verbs([(mlflow, _mlflow)])


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _mlflow(ws: Workspace, arguments: argparse.Namespace) -> int:
    source = open_mlflow_source(arguments.address, artifacts=arguments.artifacts, environ=os.environ)
    try:
        report = import_mlflow(ws, source=source, dry_run=arguments.dry_run, anew=arguments.again, tell=_tell)
    finally:
        source.close()
    if arguments.json:
        print_json(report.to_json())
    else:
        _show(report)
    return 4 if report.differences else 1 if report.refused else 0


def _tell(what: str, count: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{what}: {count}   ")
    elif count % _RUNS_BETWEEN == 0:
        say(f"{what}: {count}", file=sys.stderr, flush=True)


def _show(report: ImportReport) -> None:
    if sys.stderr.isatty():
        say(file=sys.stderr)
    head = ["", "in the source", "would be brought" if report.is_dry_run else "brought", "already there", "refused"]
    rows = [[kind, *map(str, (one.source, one.brought, one.there, one.refused))] for kind, one in report.counts.items()]
    print_table(head, rows)
    for one in report.counts.values():
        for item, reason in one.reasons[:SHOWN_MAX]:
            say(show_line(f"- refused: {item}: {reason}"))
        if len(one.reasons) > SHOWN_MAX:
            say(f"- and {one.refused - SHOWN_MAX} more; --json has their reasons")
    for claim in report.claims:
        say(show_line(f"- claim: {claim}"))
    if report.is_dry_run:
        return
    for difference in report.differences:
        say(show_line(f"- differs: {difference}"))
    (points, points_here), (files, files_here) = report.checked_points, report.checked_files
    say(
        f"compared {report.checked_runs} runs: {points} metric points there and {points_here} here, {files} files and {files_here}; "
        + (f"{len(report.differences)} differences" if report.differences else "all alike")
    )
