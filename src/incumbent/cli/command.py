"""Calling one command: arguments, errors as one paragraph on stderr, exit codes."""

import argparse
import importlib
import json
import os
import sys
import textwrap
from collections.abc import Mapping
from difflib import get_close_matches

from incumbent.base.documents import Json
from incumbent.base.errors import Conflict, Corrupt, IncumbentError, InvalidInput, NotFound, Refused, Unavailable
from incumbent.base.shown import escape_marks
from incumbent.cli.terminal import say

EXIT_CODES: dict[type[IncumbentError], int] = {Refused: 1, Conflict: 1, Unavailable: 1, InvalidInput: 2, NotFound: 3, Corrupt: 4}
"""Error class -> exit code. 0 is done; 130 is an interrupt."""


def call(commands: Mapping[str, tuple[str, str]], arguments: list[str]) -> int:
    """Call the command that `arguments` names and return its exit code."""
    name = arguments[0]
    if name not in commands:
        near = get_close_matches(name, commands, n=1)
        hint = f" Did you mean `incumbent {near[0]}`?" if near else ""
        return fail(InvalidInput(f"there is no command {name!r}.{hint} `incumbent --help` lists them"))
    try:
        module = importlib.import_module(commands[name][0])
        parser = argparse.ArgumentParser(
            prog=f"incumbent {name}",
            description=commands[name][1][0].upper() + commands[name][1][1:] + ".",
            epilog=textwrap.dedent(getattr(module, "EXAMPLES", "")),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # an abbreviation that works today would break when an option is added
        )
        module.add_arguments(parser)
        show_examples(parser)
        code: int = module.run(parser.parse_args(arguments[1:]))
        sys.stdout.flush()
        return code
    except IncumbentError as error:
        return fail(error)
    except KeyboardInterrupt:
        say("interrupted; what was done is kept, and the next run goes on from there", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `incumbent … | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


def show_examples(parser: argparse.ArgumentParser) -> None:
    """Give each verb of a command the examples that name it, out of the command's own, so that its help has them too."""
    lines = (parser.epilog or "").splitlines()
    verbs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for name, sub in ((name, sub) for action in verbs for name, sub in action.choices.items()):
        told = [line for line in lines if f"{parser.prog} {name} " in f"{line} "]
        sub.epilog = sub.epilog or "\n".join(["examples:", *told] if told else [])
        sub.formatter_class = argparse.RawDescriptionHelpFormatter


def fail(error: IncumbentError) -> int:
    """Print an error as one paragraph and return its exit code."""
    say(f"incumbent: {error}", file=sys.stderr)
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)


def print_json(document: Json) -> None:
    """Print one JSON document, nothing else."""
    sys.stdout.write(escape_marks(json.dumps(document, indent=2, ensure_ascii=False)) + "\n")
