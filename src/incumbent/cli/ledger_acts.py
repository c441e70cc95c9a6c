"""The verbs of `incumbent ledger` that act, or hold the ledger against something else."""

import argparse
from collections.abc import Callable
from pathlib import Path

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.base.shown import show_line
from incumbent.cli.command import print_json
from incumbent.cli.table import print_table
from incumbent.cli.terminal import say
from incumbent.ledger.clock import tell_lag
from incumbent.ledger.entry import format_time
from incumbent.usecases.ledger_attack import Row, attack_copy
from incumbent.usecases.ledger_clock import accept_clock
from incumbent.usecases.ledger_erase import erase_text
from incumbent.usecases.ledger_own import ownership_sql
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_rotate import rotate_key
from incumbent.usecases.ledger_witness import import_cosignatures, witness_export, witness_ledger
from incumbent.usecases.workspace import Workspace

CORRUPT = 4
HOW_TO_COUNT = "An admin registers a witness's key with `incumbent witnesses add VKEY --owner ID`"
Run = Callable[[Workspace, argparse.Namespace], int]


def add_verbs(verb: Callable[[str, Run, str], argparse.ArgumentParser]) -> None:
    """Add the sub-commands."""
    witness = verb("witness", _witness, "cosign the newest checkpoint from a second place, if it continues what was cosigned before")
    what = witness.add_mutually_exclusive_group(required=True)
    what.add_argument("--memory", type=Path, metavar="FILE", help="what was cosigned last; made the first time")
    what.add_argument("--import", type=Path, dest="note", metavar="NOTE", help="cosign nothing: keep what a witness cosigned on an export")
    witness.add_argument("--name", default="witness", help="of the witness's key (default: witness)")
    witness.add_argument("--export", type=Path, metavar="EXPORT.zip", help="an export, instead of this workspace's ledger")
    rotate = verb("rotate", _rotate, "let a new key sign the ledger from now on; both sign the entry that says so")
    rotate.add_argument("--reason", default="", help="why, in words")
    erase = verb("erase", _erase, "erase a text behind a commitment for ever; the entries stay, and still verify")
    erase.add_argument("commitment", metavar="COMMITMENT", help="sha256:…, as `ledger show` names it")
    erase.add_argument("--reason", required=True, help="why; it stays, so it must not repeat what is erased")
    accept = verb(
        "accept-clock", _accept_clock, "let acts go on at the time of the last entry, where its clock was ahead, until it is past"
    )
    accept.add_argument("--reason", required=True, help="whose clock was ahead, and what was done about it")
    verb("reconcile", _reconcile, "compute versions, placements and documents again from the entries, and compare")
    attack = verb("attack", _attack, "do to a copy what somebody with the database could do, and say what was caught")
    attack.add_argument("--keep", type=Path, metavar="DIR", help="leave the attacked copies in this new folder")
    own = verb("own", _own, "print the SQL that gives the ledger on PostgreSQL to a role that nobody logs in as")
    own.add_argument("--role", required=True, help="the owner; made if there is none")
    own.add_argument("--app", required=True, help="the role that Incumbent connects as")
    own.add_argument("--schema", default="public", help="where the tables are (default public)")


def _witness(ws: Workspace, arguments: argparse.Namespace) -> int:
    if arguments.note is not None:
        return _import(ws, arguments)
    if arguments.export is None:
        seen = witness_ledger(ws, memory=arguments.memory, name=arguments.name)
    else:
        seen = witness_export(ws, path=arguments.export, memory=arguments.memory, name=arguments.name)
    if arguments.json:
        print_json({"size": seen.size, "before": seen.before, "note": seen.note, "vkey": seen.vkey, "bar": seen.bar})
        return 0
    if seen.before is None:
        say(f"cosigned {seen.size} entries, seen for the first time: what came before is taken on trust")
    else:
        say(f"cosigned {seen.size} entries: they continue the {seen.before} that were cosigned before")
    if seen.bar:
        say(f"the cosignature is kept, but counts for no sign-off: {show_line(seen.bar)}. {HOW_TO_COUNT}")
    say(f"the witness's key, for `ledger verify --witness`: {seen.vkey}\n\n{seen.note}", end="")
    return 0


def _import(ws: Workspace, arguments: argparse.Namespace) -> int:
    if arguments.export is not None:
        raise InvalidInput("--import brings a note back to this workspace's ledger, and --export names another; give one of them")
    imported = import_cosignatures(ws, path=arguments.note)
    if arguments.json:
        print_json({"size": imported.size, "witnesses": [*imported.witnesses]})
    else:
        say(f"kept beside the checkpoint of {imported.size} entries: what {', '.join(imported.witnesses)} cosigned, verified")
    return 0


def _rotate(ws: Workspace, arguments: argparse.Namespace) -> int:
    rotation = rotate_key(ws, reason=arguments.reason)
    if arguments.json:
        print_json({"seq": rotation.entry.seq, "name": rotation.name, "before": rotation.before, "after": rotation.after})
    else:
        say(f"entry {rotation.entry.seq}: {rotation.after} (key {rotation.name!r} of this machine) signs from now on")
        say(f"until now: {rotation.before}; it vouched for the new one, and its private half can be destroyed")
    return 0


def _erase(ws: Workspace, arguments: argparse.Namespace) -> int:
    entry = erase_text(ws, commitment=arguments.commitment, reason=arguments.reason)
    if arguments.json:
        print_json({"seq": entry.seq, "erased": arguments.commitment})
    else:
        say(f"entry {entry.seq}: the text behind {arguments.commitment} is erased here; backups and exports made before still have it")
    return 0


def _accept_clock(ws: Workspace, arguments: argparse.Namespace) -> int:
    done = accept_clock(ws, reason=arguments.reason)
    until = format_time(done.entry.at)
    if arguments.json:
        print_json({"seq": done.entry.seq, "until": until, "lag_s": done.lag.total_seconds()})
    else:
        say(
            f"entry {done.entry.seq}: the clock here runs behind the ledger by {tell_lag(done.lag)}; until {until}, entries have that time,"
        )
        say("and this clock's beside it, as `clock`")
    return 0


def _reconcile(ws: Workspace, arguments: argparse.Namespace) -> int:
    found = reconcile(ws)
    if arguments.json:
        print_json({"entries": found.entries, "rows": found.rows, "differences": [*found.differences]})
    elif found.differences:
        say("\n".join(show_line(difference) for difference in found.differences))
        say(f"{len(found.differences)} differences between {found.entries} entries and {found.rows} governed rows")
    else:
        say(f"{found.entries} entries explain all of the {found.rows} governed rows")
    return CORRUPT if found.differences else 0


def _attack(ws: Workspace, arguments: argparse.Namespace) -> int:
    rows = attack_copy(ws, keep=arguments.keep)
    if arguments.json:
        described: list[Json] = [
            {
                "attack": row.name, "alone": row.alone, "with_checkpoint": row.with_pin, "caught_by": row.caught_by,
                "is_expected": row.is_expected,
            } for row in rows
        ]  # fmt: skip
        print_json({"attacks": described, "is_expected": all(row.is_expected for row in rows)})
    else:
        print_table(["attack", "without memory", "with one checkpoint kept elsewhere", "caught by", ""], [_cells(row) for row in rows])
        say(f"\n{NOT_CAUGHT}")
    return 0 if all(row.is_expected for row in rows) else CORRUPT


def _cells(row: Row) -> list[str]:
    return [row.name, row.alone, row.with_pin, row.caught_by.partition("; ")[0], "" if row.is_expected else "NOT AS EXPECTED"]


NOT_CAUGHT = """\
"intact" means that nothing here saw it. Without memory, the key that this machine began the ledger with still counts as known.
Whoever holds the database and the ledger's key can rewrite all that nobody elsewhere has seen: a checkpoint kept elsewhere
(`ledger checkpoint`) or a witness bounds that. Nothing catches an act that was never submitted, a false statement truly recorded,
or the loss of every copy."""


def _own(_ws: Workspace, arguments: argparse.Namespace) -> int:
    sql = ownership_sql(owner=arguments.role, app=arguments.app, schema=arguments.schema)
    if arguments.json:
        print_json({"sql": sql})
    else:
        say(sql, end="")
    return 0
