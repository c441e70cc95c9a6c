"""The ledger: its entries, its signed checkpoints, and proofs that an auditor keeps."""

from tempfile import TemporaryFile
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from incumbent.ledger.entry import Entry as EntryValue
from incumbent.ledger.entry import format_time
from incumbent.server.api.cursor import read_place
from incumbent.server.api.operation import Call, In, Operation, Out, Page, read_number
from incumbent.server.api.shapes import Document, Name, Number0, WithReason
from incumbent.server.files import read_pieces
from incumbent.server.messages import Response, Server
from incumbent.server.streams import Stream
from incumbent.usecases.ledger_erase import erase_text
from incumbent.usecases.ledger_export import write_export
from incumbent.usecases.ledger_log import full_note, get_checkpoint, get_entry, list_entries
from incumbent.usecases.ledger_pages import get_ledger_page
from incumbent.usecases.ledger_prove import prove_continuation, prove_entry
from incumbent.usecases.ledger_reconcile import reconcile
from incumbent.usecases.ledger_verify import verify_ledger
from incumbent.usecases.ledger_witness import keep_cosignatures
from incumbent.usecases.rights import READ

ZIP = "application/zip"


class Entry(Out):
    """An entry, as its bytes spell it."""

    v: int
    log: str
    tenant: str
    seq: int
    at: str
    actor: Document
    roles: list[str]
    act: str
    object: Document
    refs: dict[str, str]
    to: str
    reason: str
    payloads: dict[str, str]
    statement: Annotated[Document | None, Meta(description="A DSSE envelope, where the act was signed.")]
    before: Annotated[str, Meta(description="The state before the act.")] = msgspec.field(name="from")


class EntryWhole(Out):
    """An entry, what its actor signed, and the texts that stand outside of it."""

    entry: Entry
    statement: Annotated[Any, Meta(description="What was signed, decoded. Reading is not verifying.")]
    texts: Annotated[dict[str, str | None], Meta(description="null: it was erased.")]
    is_reason_signed: Annotated[
        bool | None, Meta(description="false: the statement is of before reasons were signed. null: no statement, or no reason.")
    ]


class Checkpoint(Out):
    """A signed tree head, with the cosignatures of witnesses."""

    size: int
    at: str
    cosignatures: int
    note: str


class Proof(Out):
    """A proof, as `incumbent ledger prove --check` and the offline verifier read it."""

    proof: str


class Consistency(Out):
    """That a later ledger continues an earlier one."""

    size: int
    later_size: int
    hashes: list[str]
    note: str


class Check(Out):
    """One step of a verification."""

    number: str
    claim: str
    outcome: str
    detail: str


class Verification(Out):
    """What verifying the ledger found."""

    log: str
    size: int
    root: str
    is_sound: bool
    checks: list[Check]
    unchecked: list[str]


class Reconciliation(Out):
    """Whether the entries explain the governed rows."""

    entries: int
    rows: int
    differences: list[str]


class Erased(Out):
    """What was erased, and the entry that says so."""

    seq: int
    erased: str


class Cosigned(Out):
    """Which cosignatures were kept."""

    size: Annotated[int, Meta(description="How many entries the checkpoint covers.")]
    witnesses: Annotated[list[str], Meta(description="The registered keys that are proven to have cosigned it.")]


class Entries(In):
    """Which entries."""

    object: Annotated[Name | None, Meta(description="Only those about this, such as `version credit@3`.")] = None
    act: Annotated[Name | None, Meta(description="Only those of this act.")] = None


class OfSize(In):
    """Which checkpoint."""

    size: Annotated[Number0 | None, Meta(description="Over so many entries; the newest if it is left out.")] = None


class Kept(In):
    """A checkpoint that was kept."""

    note: Annotated[str, Meta(min_length=1, max_length=100_000)]


def _show_entry(entry: EntryValue) -> object:
    return msgspec.Raw(entry.body)


def list_ledger_entries(server: Server, call: Call) -> Page:
    """List entries, newest first."""
    asked: Entries = call.query
    place = read_place(call, int)
    before = place[0] if place else None
    if asked.object is not None or asked.act is not None:
        found = list_entries(server.ws, object_name=asked.object, act=asked.act, before=before, limit=call.limit + 1)
        shown = found[: call.limit]
        return Page([_show_entry(entry) for entry in shown], [shown[-1].seq] if len(found) > call.limit else None)
    page = get_ledger_page(server.ws, before=before, limit=call.limit)
    return Page([_show_entry(entry) for entry in page.entries], None if page.before is None else [page.before])


def get_ledger_entry(server: Server, call: Call) -> object:
    """Show an entry whole."""
    shown = get_entry(server.ws, read_number(call, "seq"))
    return {
        "entry": _show_entry(shown.entry),
        "statement": shown.statement,
        "texts": dict(shown.texts),
        "is_reason_signed": shown.is_reason_signed,
    }


def get_ledger_checkpoint(server: Server, call: Call) -> object:
    """Show a checkpoint."""
    asked: OfSize = call.query
    found = get_checkpoint(server.ws, asked.size)
    return {"size": found.size, "at": format_time(found.at), "cosignatures": len(found.cosignatures), "note": full_note(found)}


def prove_ledger_entry(server: Server, call: Call) -> object:
    """Prove that an entry stands in the ledger."""
    return {"proof": prove_entry(server.ws, seq=read_number(call, "seq"))}


def prove_ledger_continuation(server: Server, call: Call) -> object:
    """Prove that the ledger continues the one of a checkpoint."""
    asked: Kept = call.query
    found = prove_continuation(server.ws, note=asked.note)
    return {"size": found.size, "later_size": found.later_size, "hashes": [*found.hashes], "note": found.note}


def verify_whole_ledger(server: Server, _call: Call) -> object:
    """Verify the ledger."""
    found = verify_ledger(server.ws)
    checks = [{"number": str(c.number), "claim": c.claim, "outcome": c.outcome, "detail": c.detail} for c in found.checks]
    report = found.report
    return {
        "log": report.log, "size": report.size, "root": report.root, "is_sound": found.is_sound, "checks": checks,
        "unchecked": [*found.unchecked],
    }  # fmt: skip


def reconcile_ledger(server: Server, _call: Call) -> object:
    """Compare entries and governed rows."""
    found = reconcile(server.ws)
    return {"entries": found.entries, "rows": found.rows, "differences": [*found.differences]}


def export_whole_ledger(server: Server, _call: Call) -> Response:
    """Send the ledger as one archive, of one moment: it is written aside first, so that no slow caller holds the database."""
    file = TemporaryFile()  # noqa: SIM115 (the stream closes it)
    try:
        exported = write_export(server.ws, file)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    name = f"ledger-{exported.size}.zip"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    stream = Stream(read_pieces(file, exported.bytes_written), exported.bytes_written, release=file.close)
    return Response(200, b"", ZIP, headers, stream)


def take_cosignatures(server: Server, call: Call) -> object:
    """Keep the cosignatures of a note."""
    asked: Kept = call.body
    found = keep_cosignatures(server.ws, data=asked.note)
    return {"size": found.size, "witnesses": [*found.witnesses]}


def erase_one_text(server: Server, call: Call) -> object:
    """Erase a text that stands outside of its entry."""
    asked: WithReason = call.body
    entry = erase_text(server.ws, commitment=call.path["commitment"], reason=asked.reason)
    return {"seq": entry.seq, "erased": call.path["commitment"]}


_ENTRY: Document = {
    "v": 1, "log": "incumbent/4f1d", "tenant": "default", "seq": 41, "at": "2026-11-25T09:30:00.000000Z",
    "actor": {"id": "olga", "kind": "person", "auth": "os"}, "roles": ["operator"], "act": "promote",
    "object": {"kind": "slot", "id": "credit/eu"}, "refs": {}, "from": "Staging", "to": "Production", "reason": "better on every group",
    "payloads": {}, "statement": None,
}  # fmt: skip
_NOTE = "incumbent/4f1d\n42\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\u2014 incumbent/4f1d lZ5B0A==\n"

OPERATIONS = (
    Operation(
        "list_entries", "ledger", "GET", "/ledger/entries", READ, "List ledger entries, newest first.",
        list_ledger_entries, Entry, _ENTRY, query=Entries, is_paged=True, by=("ledger_log.list_entries", "ledger_pages.get_ledger_page"),
    ),
    Operation(
        "get_entry", "ledger", "GET", "/ledger/entries/{seq}", READ, "Show an entry, what was signed, and the texts outside of it.",
        get_ledger_entry, EntryWhole, {"entry": _ENTRY, "statement": None, "texts": {}, "is_reason_signed": None},
        by=("ledger_log.get_entry",),
    ),
    Operation(
        "prove_entry", "ledger", "GET", "/ledger/entries/{seq}/proof", READ, "Prove that an entry stands in the ledger.",
        prove_ledger_entry, Proof, {"proof": "c2sp.org/tlog-proof@v1\n…"}, by=("ledger_prove.prove_entry",),
    ),
    Operation(
        "get_checkpoint", "ledger", "GET", "/ledger/checkpoint", READ, "Show the newest signed checkpoint, or the one of a size.",
        get_ledger_checkpoint, Checkpoint, {"size": 42, "at": "2026-11-25T09:30:00.000000Z", "cosignatures": 0, "note": _NOTE},
        query=OfSize, by=("ledger_log.get_checkpoint",),
    ),
    Operation(
        "prove_continuation", "ledger", "GET", "/ledger/continuation", READ,
        "Prove that the ledger continues the one that a kept checkpoint was signed over.",
        prove_ledger_continuation, Consistency, {"size": 30, "later_size": 42, "hashes": ["4f1d"], "note": _NOTE}, query=Kept, refuses=True,
        by=("ledger_prove.prove_continuation",),
    ),
    Operation(
        "verify_ledger", "ledger", "GET", "/ledger/verification", READ,
        "Verify the ledger as the server has it. An auditor verifies an export elsewhere: this server would judge itself.",
        verify_whole_ledger, Verification,
        {
            "log": "incumbent/4f1d", "size": 42, "root": "CsUYapGG", "is_sound": True, "unchecked": [],
            "checks": [{"number": "1", "claim": "every entry is well formed", "outcome": "holds", "detail": "42 entries"}],
        },
        by=("ledger_verify.verify_ledger",),
    ),
    Operation(
        "export_ledger", "ledger", "GET", "/ledger/export", READ, "Send the whole ledger as one archive that anyone can verify without us.",
        export_whole_ledger, None, "", media_type=ZIP, by=("ledger_export.write_export",),
        more="It is what `incumbent ledger export` writes, verifier and all: one ledger gives one archive, byte for byte. Verify it on a "
        "machine of your own, with a verifier that did not come with it: `incumbent ledger verify FILE`.",
    ),
    Operation(
        "keep_cosignatures", "ledger", "POST", "/ledger/cosignatures", "witness",
        "Keep what registered witnesses cosigned elsewhere, on an export.",
        take_cosignatures, Cosigned, {"size": 42, "witnesses": ["8bd5c2a1"]}, body=Kept, sent={"note": _NOTE}, status=201, refuses=True,
        by=("ledger_witness.keep_cosignatures",),
        more="The note is what `incumbent ledger witness --export FILE` printed. Each line is verified; nothing else of the note is kept.",
    ),
    Operation(
        "reconcile_ledger", "ledger", "GET", "/ledger/reconciliation", READ, "Say whether the entries explain all governed rows.",
        reconcile_ledger, Reconciliation, {"entries": 42, "rows": 18, "differences": []}, by=("ledger_reconcile.reconcile",),
    ),
    Operation(
        "erase_text", "ledger", "POST", "/ledger/texts/{commitment}/erase", "erase",
        "Erase a text that stands outside of its entry; the entry stays, and backups still have the text.",
        erase_one_text, Erased, {"seq": 43, "erased": "sha256:9f86d0"}, body=WithReason, sent={"reason": "asked for by its author"},
        refuses=True, by=("ledger_erase.erase_text",),
    ),
)  # fmt: skip
