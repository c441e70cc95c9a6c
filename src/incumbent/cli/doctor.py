"""`incumbent doctor`: is the workspace sound, and what does this machine offer."""

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from incumbent.base.documents import Json
from incumbent.bootstrap.workspace import list_exposed_files, open_workspace
from incumbent.cli.command import print_json
from incumbent.cli.terminal import say
from incumbent.config import FOLDER, find_root, read_settings

EXAMPLES = """
examples:
  incumbent doctor
  incumbent doctor --json

exit code: 0 sound; 4 something is wrong with the stored data, or a push would publish it.
"""

_EXTRAS = {
    "arrow": "pyarrow",
    "polars": "polars",
    "pandas": "pandas",
    "s3": "obstore",
    "delta": "deltalake",
    "postgres": "psycopg",
    "sweep": "optuna",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    settings = read_settings(find_root(Path.cwd()))
    ws = open_workspace(settings)
    problems, exposed = list(ws.store.check()), _tell_exposed(list_exposed_files(settings))
    settings_read: dict[str, Json] = {
        name: f"{getattr(settings, 'policy' if name == 'undeclared' else 'algorithm' if name == 'digest' else name, '')}  ({origin})"
        for name, origin in settings.origins.items()
        if name not in {"config", "blobs"}
    }
    extras: dict[str, Json] = {extra: importlib.util.find_spec(module) is not None for extra, module in _EXTRAS.items()}
    environment = ws.environment.summary()
    if arguments.json:
        print_json(
            {
                "root": str(settings.root),
                "settings": settings_read,
                "extras": extras,
                "problems": [*problems, *exposed],
                "host": environment,
            }
        )
    else:
        say(f"project    {settings.root}")
        for name, text in settings_read.items():
            say(f"  {name:<12} {text}")
        say("extras     " + "  ".join(f"{extra} {'yes' if there else 'no'}" for extra, there in extras.items()))
        for problem in [*exposed, *problems]:
            say(f"WRONG      {problem}")
        say("store      " + ("sound" if not problems else f"{len(problems)} problems; `incumbent artifacts verify` checks every byte"))
    return 4 if problems or exposed else 0


def _tell_exposed(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    keys = [name for name in names if name.startswith("keys/")]
    told = f"git takes {len(names)} files of {FOLDER}/" + (f", the ledger's private key {keys[0]} among them" if keys else "")
    mend = f'put "*" into {FOLDER}/.gitignore and run `git rm -r --cached {FOLDER}`'
    return [f"{told}: {mend}" + ("; if it was pushed, `incumbent ledger rotate`" if keys else "")]
