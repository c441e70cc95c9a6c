"""Commands that have verbs of their own (`incumbent users add`): the workspace is opened once and closed after."""

import argparse
from collections.abc import Callable, Iterable

from incumbent.cli.here import open_here
from incumbent.usecases.workspace import Workspace

Verb = Callable[[Workspace, argparse.Namespace], int]


def set_verbs(verbs: Iterable[tuple[argparse.ArgumentParser, Verb]]) -> None:
    """Give each sub-parser its verb, and `--json`."""
    for parser, verb in verbs:
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
        parser.set_defaults(run_verb=verb)


def run_verb(arguments: argparse.Namespace) -> int:
    """Run the verb that was asked for."""
    ws = open_here()
    try:
        code: int = arguments.run_verb(ws, arguments)
        return code
    finally:
        ws.store.close()
