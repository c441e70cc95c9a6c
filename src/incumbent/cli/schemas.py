"""`incumbent schemas`: what the rows of a model have to be: inferred from training rows, edited by a person, registered."""

import argparse
from pathlib import Path

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.cli.command import print_json
from incumbent.cli.here import show_time
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.cli.tiers import read_text
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.registry.names import parse_version_name
from incumbent.usecases.schemas import Form, get_schema, infer_schema, list_schemas, set_schema
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
A schema says what columns, types, ranges, categories and null shares a model's rows have to have. It is pandera's, as YAML or JSON;
what is inferred is a draft, and nothing in a file is executed. The tests schema, expected-values and privacy-columns hold training
rows and holdout to the registered one. docs/how-to/test-a-model.md tells of it.

examples:
  incumbent schemas infer flights-late@2 --out schema.yaml       then edit it
  incumbent schemas set flights-late schema.yaml --reason "ranges by the airport's handbook"
  incumbent schemas show flights-late
  incumbent schemas ls
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|show|infer|set", required=True)
    ls = verbs.add_parser("ls", help="list what is registered")
    show = verbs.add_parser("show", help="the schema in force for a model")
    show.add_argument("model", metavar="MODEL")
    infer = verbs.add_parser("infer", help="write what a version's training rows imply, to edit; nothing is recorded")
    infer.add_argument("version", metavar="MODEL@VERSION")
    infer.add_argument("--out", type=Path, required=True, metavar="FILE.yaml|FILE.json", help="a new file")
    infer.add_argument("--training", default=None, help="the run's output that holds the training rows")
    change = verbs.add_parser("set", help="register one, from a YAML or JSON file")
    change.add_argument("model", metavar="MODEL")
    change.add_argument("file", type=Path, metavar="FILE")
    change.add_argument("--reason", default="", help="why, in words")
    set_verbs(((ls, _ls), (show, _show), (infer, _infer), (change, _set)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = list_schemas(ws)
    if arguments.json:
        listed: list[Json] = [one.to_json() for one in found]
        print_json({"schemas": listed})
    elif found:
        rows = [[one.model, str(len(one.schema.columns)), str(one.seq), show_time(one.at), one.actor, one.digest] for one in found]
        print_table(["model", "columns", "entry", "set", "by", "digest"], rows)
    else:
        say("no schema yet; `incumbent schemas infer MODEL@VERSION --out schema.yaml` writes a draft")
    return 0


def _show(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = get_schema(ws, model=arguments.model)
    if arguments.json:
        print_json(found.to_json())
        return 0
    say(f"# the schema of {found.model}, set by {found.actor} at {show_time(found.at)} in ledger entry {found.seq}\n# {found.digest}")
    say(ws.tables.write_schema(found.schema, "yaml"), end="")
    return 0


def _infer(ws: Workspace, arguments: argparse.Namespace) -> int:
    model, version = parse_version_name(arguments.version)
    forms: dict[str, Form] = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}
    form = forms.get(arguments.out.suffix.lower())
    if form is None:
        raise InvalidInput(f"--out {arguments.out}: a schema is written as .yaml or .json")
    text = infer_schema(ws, model=model, version=version, form=form, training=arguments.training)
    try:
        with arguments.out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InvalidInput(f"--out {arguments.out} cannot be written: {error.strerror}; an edited file is never overwritten") from error
    if arguments.json:
        print_json({"file": str(arguments.out), "form": form})
    else:
        say(f"{arguments.out} says what the training rows of {arguments.version} imply; edit it to what is expected of any rows, then")
        say(f"  incumbent schemas set {model} {arguments.out}")
    return 0


def _set(ws: Workspace, arguments: argparse.Namespace) -> int:
    done = set_schema(ws, model=arguments.model, text=read_text(arguments.file), reason=arguments.reason)
    if arguments.json:
        print_json(done.to_json())
    else:
        say(f"{done.model} is held to this schema of {len(done.schema.columns)} columns from ledger entry {done.seq} on\n  {done.digest}")
    return 0
