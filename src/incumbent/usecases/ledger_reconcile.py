"""The verb `ledger reconcile`: compute every governed row again from the ledger's entries, and name what they cannot explain."""

from collections.abc import Iterator
from dataclasses import dataclass

from incumbent.base.documents import Document
from incumbent.base.errors import Corrupt, NotFound
from incumbent.ledger.entry import Entry, parse_entry
from incumbent.registry.fold import Governed, GovernedRow, compare, document_row, fold, placement_row, version_row
from incumbent.registry.model import ModelVersion
from incumbent.usecases.account_entries import compare_accounts
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.ports import Transaction
from incumbent.usecases.register import digest_facts
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was compared.

    Attributes:
        entries: How many entries were folded.
        rows: How many governed rows were compared with them.
        differences: Each difference, in words; empty when the ledger explains everything.
    """

    entries: int
    rows: int
    differences: tuple[str, ...]


def reconcile(ws: Workspace) -> Reconciliation:
    """Compare every version, placement, governed document, token and password with what the ledger says must be there.

    The entries' own bytes are taken as they stand; whether they are the ones that were signed is for `ledger verify` to say.
    Before the ledger begins there is nothing to compare, and no difference.
    """
    with ws.store.begin(read_only=True) as tx:
        size = tx.ledger.size()
        if size == 0 and _stands_on_nothing(tx):
            return Reconciliation(0, 0, ())
        documents, damaged = tx.records.read_all()
        begun = next((record for record in documents if record.kind == "ledger" and record.seq == 0), None)
        bodies = {record.seq: (record.digest, record.body) for record in documents}
        expected = fold(_read_entries(tx), None if begun is None else begun.body, bodies)
        found = _read_rows(tx, documents)
        accounts, account_differences = compare_accounts(tx.tokens.list_all(), tx.accounts.list_all(), documents)
    # A document whose bytes are damaged is named once, by what is wrong with its bytes, and not as missing too.
    differences = [one for one in compare(expected, found) if not any(_is_about(one, name) for name, _ in damaged)]
    differences += account_differences
    return Reconciliation(size, len(found.rows) + accounts, (*differences, *(message for _, message in damaged)))


def _stands_on_nothing(tx: Transaction) -> bool:
    """Say whether no row claims an entry: it is from before the ledger, and the ledger's first entry will name it."""
    seqs = [version.seq for version in tx.registry.list_versions()] + [placed.seq for placed in tx.registry.list_placements()]
    return all(seq is None for seq in seqs) and not tx.records.list_history()


def _is_about(difference: str, name: str) -> bool:
    return difference.startswith(f"document {name},") and difference.endswith("not in the database")


def _read_entries(tx: Transaction) -> Iterator[Entry]:
    for body in tx.ledger.read():
        yield parse_entry(body)


def _compare_manifest(version: ModelVersion, manifest: Document) -> list[str]:
    """Return what a version's row says otherwise than its manifest, as far as that speaks of it: earlier releases left out `facts`."""
    card = version.facts.get("bundle")
    found: Document = {
        "model": version.model, "bundle": version.bundle.to_json(), "recipe": version.key, "run": version.run_id,
        "signature": card.get("signature") if isinstance(card, dict) else None, "facts": digest_facts(version.facts),
    }  # fmt: skip
    return [name for name, value in found.items() if name in manifest and manifest[name] != value]


def _read_rows(tx: Transaction, documents: list[Record]) -> Governed:
    rows: list[GovernedRow] = []
    problems = []
    manifests = {(record.record_id, record.seq): record.body for record in documents if record.kind == "version"}
    for version in reversed(tx.registry.list_versions()):
        name = f"{version.model}@{version.version}"
        rows.append(
            version_row(
                name, version.seq, manifest=version.manifest, bundle=str(version.bundle.digest), run=version.run_id, actor=version.actor,
                at=version.created_at,
            )
        )  # fmt: skip
        try:
            body = tx.documents.get(version.manifest) if version.seq is None else manifests.get((name, version.seq))
        except (NotFound, Corrupt) as error:
            problems.append(f"version {name}, from before the ledger: its manifest is not there whole: {error}")
            continue
        different = [] if body is None else _compare_manifest(version, body)
        if different:
            where = "from before the ledger" if version.seq is None else f"entry {version.seq}"
            problems.append(f"version {name}: {', '.join(different)} in the database not as in its manifest, {where}")
    placements = list(reversed(tx.registry.list_placements()))
    for placed in placements:
        name = f"{placed.model}@{placed.version}"
        rows.append(
            placement_row(
                placed.slot, name, placed.seq, status=placed.status, at=placed.since_at, actor=placed.actor, reason=placed.reason,
                is_current=placed.is_current,
            )
        )  # fmt: skip
    rows += [document_row(record.kind, record.record_id, record.seq, digest=record.digest) for record in documents]
    live = {}
    for slot in dict.fromkeys(placed.slot for placed in placements):
        found = tx.registry.find_live(slot)
        if found is not None:
            live[slot] = f"{found.model}@{found.version}"
    return Governed(rows, live, problems)
