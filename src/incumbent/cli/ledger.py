"""`incumbent ledger`: who did what, when and why; and whether the log of it is still the one that was written."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, NotFound, Unavailable
from incumbent.base.shown import show_line
from incumbent.cli import ledger_acts
from incumbent.cli.command import print_json
from incumbent.cli.here import open_here
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.ledger.entry import Entry, format_time
from incumbent.ledger.report import verdict
from incumbent.usecases.ledger_export import export_ledger
from incumbent.usecases.ledger_log import full_note, get_checkpoint, get_entry, list_entries
from incumbent.usecases.ledger_prove import check_entry_proof, prove_continuation, prove_entry
from incumbent.usecases.ledger_verify import Verification, verify_file, verify_ledger
from incumbent.usecases.workspace import Workspace

EXAMPLES = """
examples:
  incumbent ledger log --object "version flights-late@2"
  incumbent ledger show 12
  incumbent ledger checkpoint --out 2026-11.note      what an auditor takes along
  incumbent ledger verify --pin 2026-11.note          a year later
  incumbent ledger prove 12 --out approval.tlog-proof
  incumbent ledger export ledger.zip                  with the verifier in it: python verify.py ledger.zip
  incumbent ledger witness --memory seen.note         from a second place
  incumbent ledger reconcile                          the registry's rows against the entries
  incumbent ledger rotate --reason "yearly"           a new key signs; the old one vouches for it
  incumbent ledger erase sha256:0a1b… --reason "asked to be forgotten"
  incumbent ledger accept-clock --reason "a laptop was a year ahead"
  incumbent ledger own --role ledger_owner --app incumbent | psql
  incumbent ledger attack                             what somebody with the database could do, on a copy

exit code: 0 sound; 4 not sound; 5 an export that is sound as far as it goes, and lacks documents.
"""
CORRUPT, INCOMPLETE = 4, 5
READ_BYTES_MAX = 1 << 22
Run = Callable[[Workspace, argparse.Namespace], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    verbs = parser.add_subparsers(
        metavar="log|show|checkpoint|verify|prove|export|witness|rotate|erase|accept-clock|reconcile|attack|own", required=True
    )

    def verb(name: str, run_verb: Run, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
        sub.set_defaults(run_verb=run_verb)
        sub.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
        return sub

    log = verb("log", _log, "list entries, newest first")
    log.add_argument("--object", metavar="KIND ID", help='only entries about this, e.g. "version flights-late@2"')
    log.add_argument("--act", help="only entries of this act, e.g. promote")
    log.add_argument("--limit", type=int, default=50, help="how many (default 50)")
    show = verb("show", _show, "show one entry in full: its statement decoded, and the texts behind its commitments")
    show.add_argument("seq", type=int, metavar="SEQ")
    checkpoint = verb("checkpoint", _checkpoint, "print the newest signed checkpoint, which is what an auditor keeps")
    checkpoint.add_argument("--out", type=Path, metavar="FILE", help="write it to a new file")
    verify = verb("verify", _verify, "verify the ledger here, or an export")
    verify.add_argument("export", nargs="?", metavar="EXPORT.zip")
    verify.add_argument("--pin", action="append", default=[], metavar="NOTE", help="a checkpoint noted earlier, elsewhere; may be repeated")
    verify.add_argument("--key", default="", help="a key known to be the ledger's: ed25519:BASE64")
    verify.add_argument("--witness", action="append", default=[], metavar="VKEY", help="a witness who must have seen it: NAME+HASH+BASE64")
    verify.add_argument("--all-checkpoints", action="store_true", help="verify every checkpoint's signature; by default those that matter")
    prove = verb("prove", _prove, "prove that an entry stands in the ledger, or that the ledger continues a checkpoint; check a proof")
    prove.add_argument("seq", nargs="?", type=int, metavar="SEQ")
    prove.add_argument("--out", type=Path, metavar="FILE", help="write the proof to a new file")
    prove.add_argument("--from", dest="since", metavar="NOTE", help="prove that the ledger continues the checkpoint in this file")
    prove.add_argument("--check", metavar="FILE", help="check a proof of an entry")
    prove.add_argument("--entry", metavar="FILE", help="with --check: the entry's exact bytes, where they did not come along")
    prove.add_argument("--key", default="", help="with --check: the key that is trusted; by default this ledger's own")
    export = verb("export", _export, "write the ledger and its verifier into one archive")
    export.add_argument("file", type=Path, metavar="FILE.zip")
    ledger_acts.add_verbs(verb)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    ws = open_here()
    try:
        code: int = arguments.run_verb(ws, arguments)
        return code
    finally:
        ws.store.close()


def read_file(path: str) -> bytes:
    """Return a small file that was named on the command line."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(READ_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}") from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"{path} cannot be read: {error}") from error
    if len(data) > READ_BYTES_MAX:
        raise InvalidInput(f"{path} has more than {READ_BYTES_MAX} bytes: it is no note and no proof")
    return data


def read_text(path: str) -> str:
    """Return the text of a small file that was named on the command line."""
    try:
        return read_file(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is no text: {error.reason}") from error


def _write_new(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError as error:
        raise InvalidInput(f"{path} is there already, and is not written over: choose another name") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error


def _document(entry: Entry) -> Json:
    document: Json = json.loads(entry.body)
    return document


def _log(ws: Workspace, arguments: argparse.Namespace) -> int:
    entries = list_entries(ws, object_name=arguments.object, act=arguments.act, limit=arguments.limit)
    if arguments.json:
        print_json({"entries": [_document(entry) for entry in entries]})
    elif entries:
        print_table(["seq", "time", "actor", "act", "object", "from -> to", "reason"], [_row(entry) for entry in entries])
    else:
        say("no entry" if arguments.object or arguments.act else "no entry yet: the first governed act begins the ledger")
    return 0


def _row(entry: Entry) -> list[str]:
    draft = entry.draft
    moved = f"{draft.before or '-'} -> {draft.after}" if draft.before or draft.after else ""
    if draft.object.kind == "ledger":
        moved = ""  # keys, too long for a line; `show` has them
    reason = draft.reason or ("(kept apart)" if "reason" in draft.payloads else "")
    return [str(entry.seq), f"{entry.at:%Y-%m-%d %H:%M:%S}", draft.actor.actor_id, draft.act, draft.object.name, moved, reason]


def _show(ws: Workspace, arguments: argparse.Namespace) -> int:
    shown = get_entry(ws, arguments.seq)
    texts: dict[str, Json] = dict(shown.texts)
    if arguments.json:
        print_json(
            {
                "entry": _document(shown.entry), "statement": shown.statement, "texts": texts,
                "is_reason_signed": shown.is_reason_signed,
            }
        )  # fmt: skip
        return 0
    draft = shown.entry.draft
    lines = [
        ("entry", f"{shown.entry.seq} of {shown.entry.log}, tenant {shown.entry.tenant}"),
        ("at", format_time(shown.entry.at)),
        ("actor", f"{draft.actor.actor_id} ({draft.actor.kind}, {draft.actor.how_known})"),
        ("roles", ", ".join(draft.roles) or "none: nobody is registered here"),
        ("act", draft.act),
        ("object", draft.object.name),
        ("digest", draft.object.digest or ""),
        ("from", draft.before),
        ("to", draft.after),
        ("reason", draft.reason),
        *((f"ref {name}", value) for name, value in sorted(draft.refs.items())),
        *((f"text {name}", f"{draft.payloads[name]}: {'erased' if text is None else text}") for name, text in shown.texts.items()),
    ]
    say("\n".join(f"{name:<14} {show_line(text)}" for name, text in lines if text))
    if shown.statement is not None:
        without = "" if shown.is_reason_signed is not False else ", without the reason, which only the ledger's key vouches for"
        say(f"statement, as it was signed{without} (`incumbent ledger verify` verifies it):")
        say(json.dumps(shown.statement, indent=2))
    return 0


def _checkpoint(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = get_checkpoint(ws)
    note = full_note(found)
    if arguments.out is not None:
        _write_new(arguments.out, note)
    if arguments.json:
        print_json({"size": found.size, "at": format_time(found.at), "cosignatures": len(found.cosignatures), "note": note})
    elif arguments.out is None:
        say(note, end="")
    else:
        say(f"the checkpoint over {found.size} entries is in {arguments.out}; keep it where this ledger's administrator cannot write")
    return 0


def _verify(ws: Workspace, arguments: argparse.Namespace) -> int:
    pins = [read_text(path) for path in arguments.pin]
    if arguments.export is None:
        found = verify_ledger(
            ws, pins=pins, key=arguments.key, witnesses=arguments.witness, every_signature=arguments.all_checkpoints
        )  # fmt: skip
    elif arguments.all_checkpoints:
        raise InvalidInput("--all-checkpoints is for the ledger here: of an export, every checkpoint that it holds is verified anyway")
    else:
        found = verify_file(path=arguments.export, pins=pins, key=arguments.key, witnesses=arguments.witness)
    if arguments.json:
        print_json(_describe(found))
    else:
        say(f"ledger {show_line(found.report.log) or '?'}: {found.report.size} entries, root {found.report.root or '?'}")
        print_table(["", "check", "found"], [[check.outcome, check.claim, check.detail] for check in found.checks])
        say("\n".join(f"not shown: {text}" for text in found.unchecked))
        say("SOUND, as far as was checked" if found.is_sound else verdict(found.report) if found.is_incomplete else "NOT SOUND")
    return 0 if found.is_sound else INCOMPLETE if found.is_incomplete else CORRUPT


def _describe(found: Verification) -> Json:
    checks: list[Json] = [
        {"number": check.number, "claim": check.claim, "outcome": check.outcome, "detail": check.detail} for check in found.checks
    ]
    report = found.report
    return {
        "log": report.log, "size": report.size, "root": report.root, "is_sound": found.is_sound, "is_incomplete": found.is_incomplete,
        "missing": report.missing, "checks": checks,
        "unchecked": [*found.unchecked],
    }  # fmt: skip


def _prove(ws: Workspace, arguments: argparse.Namespace) -> int:
    asked = [arguments.seq is not None, arguments.since is not None, arguments.check is not None]
    if sum(asked) != 1:
        raise InvalidInput("ledger prove takes one of SEQ, --from NOTE and --check FILE")
    if arguments.check is not None:
        return _check(ws, arguments)
    if arguments.since is not None:
        found = prove_continuation(ws, note=read_text(arguments.since))
        text = json.dumps({"size": found.size, "later_size": found.later_size, "hashes": [*found.hashes], "note": found.note}, indent=2)
        shown = f"the {found.later_size} entries here continue the {found.size} of {arguments.since}: {len(found.hashes)} hashes show it"
    else:
        text = prove_entry(ws, seq=arguments.seq)
        shown = f"entry {arguments.seq}: its proof"
    if arguments.out is not None:
        _write_new(arguments.out, text)
        text = f"{shown}, in {arguments.out}"
    if arguments.json:
        print_json({"proof": text} if arguments.out is None else {"proof": str(arguments.out)})
    else:
        say(text.rstrip("\n"))
    return 0


def _check(ws: Workspace, arguments: argparse.Namespace) -> int:
    body = None if arguments.entry is None else read_file(arguments.entry).rstrip(b"\n")
    found = check_entry_proof(ws, text=read_text(arguments.check), body=body, key=arguments.key)
    if arguments.json:
        print_json({"seq": found.seq, "size": found.size, "log": found.log, "entry": json.loads(found.body)})
    else:
        say(f"entry {found.seq} stands in ledger {found.log}, under the signed checkpoint over {found.size} entries:\n{found.body}")
    return 0


def _export(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = export_ledger(ws, path=arguments.file)
    if arguments.json:
        print_json({"file": str(arguments.file), "log": found.log, "size": found.size, "bytes": found.bytes_written})
    else:
        say(f"{arguments.file}: {found.size} entries of {found.log}, {found.bytes_written} bytes; `python verify.py {arguments.file}` with")
        say("the verify.py of a release (the one inside is a convenience: it travels with what it judges)")
    return 0
