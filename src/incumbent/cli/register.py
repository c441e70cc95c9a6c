"""`incumbent register`: make an artifact of a run the next version of a model."""

import argparse
import json
import math
from collections.abc import Sequence

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.cli.command import print_json
from incumbent.cli.here import open_here
from incumbent.cli.terminal import say
from incumbent.registry.model import ModelVersion
from incumbent.usecases.register import register

EXAMPLES = """
examples:
  incumbent register --model flights-late --run RUN --artifact bundle
  incumbent register --model flights-late --run RUN --artifact bundle --slot flights-late/nyc     enters the slot in Staging
  incumbent register --model flights-late --run RUN --artifact bundle --serving threads=1 --serving limits.one_row_ms_max=50
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--model", required=True, help="name of the model; a new name begins a new model")
    parser.add_argument("--run", required=True, metavar="RUN", help="a finished run: its id, or 6 or more characters of its beginning")
    parser.add_argument("--artifact", default="model", metavar="NAME", help="which output of the run (default: model)")
    parser.add_argument("--slot", default=None, help="slot in which it asks for a place: it enters it in Staging")
    parser.add_argument(
        "--serving", action="append", default=[], metavar="KEY=VALUE",
        help="how it is to be served, pinned with the version: threads=1, limits.one_row_ms_max=50; may be repeated",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    version = register(
        open_here(),
        model=arguments.model,
        run=arguments.run,
        artifact=arguments.artifact,
        slot=arguments.slot,
        serving=_read_settings(arguments.serving),
    )
    if arguments.json:
        print_json(describe_version(version))
    else:
        staging = f", in Staging in slot {arguments.slot}" if arguments.slot else ""
        say(f"{version.model}@{version.version} registered from run {version.run_id}{staging}\n  bundle   {version.bundle.digest}")
        say(f"  manifest {version.manifest}")
    return 0


def _read_settings(given: Sequence[str]) -> dict[str, Json]:
    """Return KEY=VALUE pairs as a document: `a.b=1` is a table `a`; a value is a number, true or false, or else text."""
    settings: dict[str, Json] = {}
    for text in given:
        name, found, value = text.partition("=")
        *tables, last = name.split(".")
        if not found or not all([*tables, last]):
            raise InvalidInput(f"--serving {text[:80]!r}: expected KEY=VALUE, such as threads=1 or limits.one_row_ms_max=50")
        place = settings
        for table in tables:
            inner = place.setdefault(table, {})
            if not isinstance(inner, dict):
                raise InvalidInput(f"--serving {text[:80]!r}: {table} has a value of its own already")
            place = inner
        if last in place:
            raise InvalidInput(f"--serving {text[:80]!r}: {name} is given twice")
        place[last] = _read_value(value)
    return settings


def _read_value(text: str) -> Json:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    is_finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return value if is_finite else text


def describe_version(version: ModelVersion) -> dict[str, Json]:
    """Return a version as the document of --json."""
    return {
        "model": version.model,
        "version": version.version,
        "bundle": version.bundle.to_json(),
        "manifest": version.manifest,
        "run": version.run_id,
        "recipe": version.key,
        "created_at": version.created_at.isoformat(),
        "actor": version.actor,
        "can_serve": "bundle" in version.facts,
    }
