"""`incumbent models`: what is registered."""

import argparse

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput
from incumbent.base.shown import show_line
from incumbent.cli.command import print_json
from incumbent.cli.here import show_time
from incumbent.cli.register import describe_version
from incumbent.cli.terminal import say
from incumbent.cli.verbs import run_verb, set_verbs
from incumbent.registry.names import parse_version_name
from incumbent.usecases.annotate import add_note, set_tag
from incumbent.usecases.list_versions import VersionRecord, list_versions
from incumbent.usecases.version_card import VersionCard, get_version_card
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
examples:
  incumbent models ls
  incumbent models ls flights-late
  incumbent models show flights-late@1
  incumbent models note flights-late@1 "trained before the timetable changed"
  incumbent models tag flights-late@1 owner=ops
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(metavar="ls|show|note|tag", required=True)
    ls = verbs.add_parser("ls", help="list versions, newest first")
    ls.add_argument("name", nargs="?", default="", metavar="MODEL", help="of one model (default: all)")
    show = verbs.add_parser("show", help="all that is on record about a version")
    note = verbs.add_parser("note", help="append a note; its text can be erased later")
    tag = verbs.add_parser("tag", help="set a tag; the newest value of a name holds")
    for sub in (show, note, tag):
        sub.add_argument("name", metavar="MODEL@VERSION")
    note.add_argument("text", metavar="TEXT")
    tag.add_argument("tag", metavar="NAME=VALUE")
    set_verbs(((ls, _ls), (show, _show), (note, _note), (tag, _tag)))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return run_verb(arguments)


def _ls(ws: Workspace, arguments: argparse.Namespace) -> int:
    records = list_versions(ws, model=arguments.name or None)
    if arguments.json:
        print_json({"versions": [{**describe_version(record.version), "slots": _describe_slots(record)} for record in records]})
    for record in () if arguments.json else records:
        placed = ", ".join(f"{p.status} in {p.slot}" for p in record.placements) or "in no slot"
        version = record.version
        say(f"{f'{version.model}@{version.version}':<28} {show_time(version.created_at)}  run {version.run_id}  {placed}")
    if not records and not arguments.json:
        say("no version yet: `incumbent register` makes one")
    return 0


def _show(ws: Workspace, arguments: argparse.Namespace) -> int:
    model, number = parse_version_name(arguments.name)
    card = get_version_card(ws, model=model, version=number)
    if arguments.json:
        version, record = describe_version(card.record.version), card.record
        print_json({**version, "manifest_document": record.manifest, "slots": _describe_slots(record), **card.to_json()})
    else:
        say("\n".join([_render(card.record), *_render_judgements(card)]))
    return 0


def _note(ws: Workspace, arguments: argparse.Namespace) -> int:
    model, number = parse_version_name(arguments.name)
    note = add_note(ws, model=model, version=number, text=arguments.text)
    if arguments.json:
        print_json({"version": arguments.name, "entry": note.entry})
    else:
        say(f"noted on {model}@{number}: ledger entry {note.entry}")
    return 0


def _tag(ws: Workspace, arguments: argparse.Namespace) -> int:
    model, number = parse_version_name(arguments.name)
    name, separator, value = arguments.tag.partition("=")
    if not separator:
        raise InvalidInput(f"{arguments.tag[:80]!r} is no tag; write NAME=VALUE")
    set_tag(ws, model=model, version=number, name=name, value=value)
    if arguments.json:
        print_json({"version": arguments.name, "name": name, "value": value})
    else:
        say(f"{model}@{number}: {name}={value}")
    return 0


def _render_judgements(card: VersionCard) -> list[str]:
    lines = [f"  tier        {card.tier.words}"]
    lines += [f"  evidence    {e.verdict.outcome} for {e.slot}, {show_time(e.at)}, entry {e.seq}, {e.digest}" for e in card.evidence]
    lines += [
        f"  signed      {given.meaning} by {given.person_id} as {given.role} for {given.slot}, entry {seq}"
        f"{' (own work)' if given.is_self else ''}"
        for seq, given in card.sign_offs
    ]
    lines += [f"  tag         {name}={show_line(value)}" for name, value in card.tags.items()]
    return [*lines, *(f"  note        {show_time(note.at)} {note.actor}: {show_line(note.text)}" for note in card.notes)]


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
        *_render_authors(manifest),
        *_render_pickles(manifest),
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


def _render_authors(manifest: Document) -> list[str]:
    authors = manifest.get("authors")
    names = sorted({str(author["who"]) for author in authors if isinstance(author, dict)}) if isinstance(authors, list) else []
    since = f" since {manifest['authors_since']}" if manifest.get("authors_since") else ""
    return [f"  authors     {show_line(', '.join(names))}{since}"] if names else []


def _render_pickles(manifest: Document) -> list[str]:
    pickles = manifest.get("pickles")
    found = [scan for scan in pickles if isinstance(scan, dict) and scan.get("verdict") != "none"] if isinstance(pickles, list) else []
    return [f"  pickle      {scan['verdict']}: {scan.get('path')}" for scan in found]
