"""`incumbent register`: make an artifact of a run the next version of a model."""

import argparse

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import open_here
from incumbent.registry.model import ModelVersion
from incumbent.usecases.register import register

EXAMPLES = """
examples:
  incumbent register --model flights-late --run RUN --artifact bundle
  incumbent register --model flights-late --run RUN --artifact bundle --slot flights-late/nyc     enters the slot in Staging
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--model", required=True, help="name of the model; a new name begins a new model")
    parser.add_argument("--run", required=True, metavar="RUN", help="a finished run: its id, or 6 or more characters of its beginning")
    parser.add_argument("--artifact", default="model", metavar="NAME", help="which output of the run (default: model)")
    parser.add_argument("--slot", default=None, help="slot in which it asks for a place: it enters it in Staging")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    version = register(open_here(), model=arguments.model, run=arguments.run, artifact=arguments.artifact, slot=arguments.slot)
    if arguments.json:
        print_json(describe_version(version))
    else:
        staging = f", in Staging in slot {arguments.slot}" if arguments.slot else ""
        print(f"{version.model}@{version.version} registered from run {version.run_id}{staging}\n  bundle   {version.bundle.digest}")
        print(f"  manifest {version.manifest}")
    return 0


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
