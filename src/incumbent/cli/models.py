"""`incumbent models`: what is registered."""

import argparse

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.cli.command import print_json
from incumbent.cli.here import open_here, show_time
from incumbent.cli.register import describe_version
from incumbent.registry.names import parse_version_name
from incumbent.usecases.list_versions import VersionRecord, get_version, list_versions

EXAMPLES = """
examples:
  incumbent models ls
  incumbent models ls flights-late
  incumbent models show flights-late@1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("action", choices=["ls", "show"])
    parser.add_argument("name", nargs="?", default="", metavar="MODEL|MODEL@VERSION", help="ls: one model; show: a version")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.action == "show":
        if not arguments.name:
            raise InvalidInput("`incumbent models show` needs MODEL@VERSION")
        model, number = parse_version_name(arguments.name)
        record = get_version(open_here(), model=model, version=number)
        if arguments.json:
            print_json({**describe_version(record.version), "manifest_document": record.manifest, "slots": _describe_slots(record)})
        else:
            print(_render(record))
        return 0
    records = list_versions(open_here(), model=arguments.name or None)
    if arguments.json:
        print_json({"versions": [{**describe_version(record.version), "slots": _describe_slots(record)} for record in records]})
    for record in () if arguments.json else records:
        placed = ", ".join(f"{p.status} in {p.slot}" for p in record.placements) or "in no slot"
        version = record.version
        print(f"{f'{version.model}@{version.version}':<28} {show_time(version.created_at)}  run {version.run_id}  {placed}")
    if not records and not arguments.json:
        print("no version yet: `incumbent register` makes one")
    return 0


def _describe_slots(record: VersionRecord) -> list[Json]:
    return [{"slot": p.slot, "status": p.status, "since": p.since_at.isoformat()} for p in record.placements]


def _render(record: VersionRecord) -> str:
    version, manifest = record.version, record.manifest
    lines = [
        f"{version.model}@{version.version}",
        f"  registered  {show_time(version.created_at)} by {version.actor}",
        f"  run         {version.run_id}",
        f"  commit      {manifest.get('commit') or 'none recorded'}{' (the working tree differed)' if manifest.get('is_dirty') else ''}",
        f"  recipe      {version.key or 'none: the run had no stages'}",
        f"  bundle      {version.bundle.digest}",
        f"  manifest    {version.manifest}",
        *(f"  {p.status:<11} in {p.slot}, since {show_time(p.since_at)}" for p in record.placements),
    ]
    files = manifest.get("files")
    lines += (
        [f"  {file['size']:>10}  sha256:{file['sha256']}  {file['path']}" for file in files if isinstance(file, dict)]
        if isinstance(files, list)
        else []
    )
    signature = manifest.get("signature")
    if isinstance(signature, dict):
        lines += [f"  {side:<11} {_columns(columns)}" for side, columns in signature.items()]
    return "\n".join(lines)


def _columns(columns: Json) -> str:
    listed = columns if isinstance(columns, list) else []
    return ", ".join(f"{c['name']} {c['type']}{' or null' if c['nullable'] else ''}" for c in listed if isinstance(c, dict))
