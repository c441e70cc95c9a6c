"""What stands behind what a person signed: whether the signature holds, and on whose word the signer's identity rests.

A signature is verified each time anew, against the entry that it stands in and the key that is bound to the person: what somebody
wrote into the database past the product counts for nothing. Who vouched and who bound are read from the documents, and where those
are from before that was kept, from the entries that made them.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.base.errors import Corrupt, Refused
from incumbent.governance.fields import format_time
from incumbent.governance.finding import Finding, finding_from_json, reopen_finding
from incumbent.governance.person import Key, Person, key_from_json, person_from_json
from incumbent.governance.quorum import Standing
from incumbent.governance.sign_off import SignOff
from incumbent.governance.vouching import VOUCHED, Vouching, Word, find_backing, find_own_word, grow, list_vouchers
from incumbent.ledger.primitives import Malformed, open_envelope, read_statement
from incumbent.ledger.statement import check_signed
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.ports import Transaction


def read_words(tx: Transaction, person_id: str | None = None) -> list[Word]:
    """Return what every document of a person, or of everybody, says of who stands behind them, oldest first.

    Documents from before name nobody, or nobody anew where a person became an admin: then it is who wrote their entries.
    """
    found = []
    last: dict[str, tuple[Person, str]] = {}
    for record in tx.records.list_history("person", person_id):
        then = person_from_json(record.body)
        before, grouped_by = last.get(record.record_id, (None, ""))
        if before is None or (then.vouched_by or before.vouched_by) != before.vouched_by:
            voucher = then.vouched_by or find_actor(tx, record.seq)
        else:
            voucher = find_actor(tx, record.seq) if (then.roles - before.roles) & VOUCHED else ""
        if then.grouped_by or not then.group:
            grouped_by = then.grouped_by
        elif before is None or then.group != before.group:
            grouped_by = find_actor(tx, record.seq)
        last[record.record_id] = (then, grouped_by)
        found.append(Word(record.seq, record.record_id, voucher, grouped_by))
    return found


def read_vouching(tx: Transaction) -> Vouching:
    """Return who stands behind whom now."""
    return grow(read_words(tx))


def list_vouched(tx: Transaction) -> list[Person]:
    """Return everybody who is known, each with who vouches for them and who set their group, whatever their document says."""
    vouching = read_vouching(tx)
    return [vouched(vouching, person_from_json(record.body)) for record in tx.records.list_all("person")]


def vouched(vouching: Vouching, person: Person) -> Person:
    """Return a person with who vouches for them and who set their group, whatever their document says."""
    by, grouped_by = vouching.by.get(person.person_id, ""), vouching.grouped_by.get(person.person_id, "")
    return replace(person, vouched_by=by, grouped_by=grouped_by)


def index_keys(tx: Transaction) -> dict[str, Key]:
    """Return every key that was ever bound, by its id."""
    return {key.key_id: key for key in list_keys(tx)}


def list_keys(tx: Transaction) -> list[Key]:
    """Return every key that was ever bound, each with who bound it, oldest first."""
    return [bound(tx, key_from_json(record.body)) for record in tx.records.list_all("key")]


def bound(tx: Transaction, key: Key) -> Key:
    """Return a key with who bound it, also where its document does not say."""
    if key.bound_by:
        return key
    return replace(key, bound_by=find_actor(tx, tx.records.list_history("key", key.key_id)[0].seq))


def find_standing(tx: Transaction, given: Sequence[tuple[int, SignOff]], *, is_grouped: bool = False) -> dict[str, Standing]:
    """Return what stands behind each of these sign-offs, by their ids.

    Args:
        tx: An open transaction.
        given: (number of the entry, sign-off).
        is_grouped: Reporting groups matter, so whoever set them vouches too.
    """
    if not given:
        return {}
    people = {record.record_id: person_from_json(record.body) for record in tx.records.list_all("person")}
    vouching, keys = read_vouching(tx), index_keys(tx)
    found = {}
    for seq, sign_off in given:
        person, key = people.get(sign_off.person_id), keys.get(sign_off.key_id)
        fault = _find_fault(tx, seq, sign_off, keys)
        if person is None or key is None:
            found[sign_off.sign_off_id] = Standing((), fault)
            continue
        vouchers = list_vouchers(vouching, person.person_id, key, is_grouped=is_grouped)
        own_word = find_own_word(vouching, person, key, is_grouped=is_grouped)
        found[sign_off.sign_off_id] = Standing(vouchers, fault, own_word, find_backing(vouching, key))
    return found


def find_signing_fault(tx: Transaction, record: Record, *, act: str, person_id: str, keys: Mapping[str, Key]) -> str:
    """Return why what a person signed does not count, in words; "" if its signature was verified now and does.

    The entry has to be of this very document and act, signed by this person with the key that is bound to them, and nothing may be known
    against the key.

    Args:
        tx: An open transaction.
        record: The document that was signed, and its entry.
        act: What was done.
        person_id: Who did it.
        keys: Every key that was ever bound, by its id.
    """
    entry = tx.ledger.get(record.seq)
    draft = entry.draft
    said = (draft.act, draft.object.kind, draft.object.object_id, draft.actor.actor_id)
    if said != (act, record.kind, record.record_id, person_id):
        return f"its signature does not hold: ledger entry {record.seq} is about something else"
    if draft.object.digest != digest_bytes(document_bytes(record.body), "sha256") or draft.statement is None:
        return f"its signature does not hold: it is not the one that ledger entry {record.seq} recorded"
    try:
        _, key_id, _ = open_envelope(draft.statement)
        key = keys.get(key_id)
        if key is None or key.person_id != person_id:
            return f"{key_id} is no key of {person_id}"
        if key.compromised_since is not None and entry.at >= key.compromised_since:
            return f"its key {key_id} may have been in other hands since {format_time(key.compromised_since)}"
        if key.revoked_at is not None and _find_revocation(tx, key) < record.seq:
            return f"its key {key_id} was revoked before it"
        check_signed(draft, base64.b64decode(key.public), log=entry.log, tenant=entry.tenant, at=entry.at)
        for commitment in draft.payloads.values():
            tx.payloads.find(commitment)  # what was erased is nobody else's words; what was exchanged is Corrupt
    except (Refused, Malformed, Corrupt) as error:
        return f"its signature does not hold: {error}"
    return ""


def read_findings(tx: Transaction, records: Iterable[Record]) -> list[Finding]:
    """Return findings as they count now: one whose closing is signed by nobody, or by a key that was in other hands, is open again."""
    keys, found = index_keys(tx), []
    for record in records:
        finding = finding_from_json(record.body)
        fault = ""
        if finding.state == "closed":
            fault = find_signing_fault(tx, record, act="close-finding", person_id=finding.closed_by, keys=keys)
        found.append(reopen_finding(finding, fault) if fault else finding)
    return found


def _find_fault(tx: Transaction, seq: int, sign_off: SignOff, keys: Mapping[str, Key]) -> str:
    """Return why a sign-off does not count: its signature, or that something else was signed than it says."""
    record = Record("sign-off", sign_off.sign_off_id, seq, "", sign_off.to_json())
    fault = find_signing_fault(tx, record, act=sign_off.act, person_id=sign_off.person_id, keys=keys)
    if fault:
        return fault
    draft = tx.ledger.get(seq).draft
    payload, key_id, _ = open_envelope(sign_off.statement)
    _, signed, _ = read_statement(payload)
    if (draft.after, draft.statement, key_id) != (sign_off.meaning, sign_off.statement, sign_off.key_id):
        return f"its signature does not hold: it is not the one that ledger entry {seq} recorded"
    if signed != dict(sign_off.names):
        return f"its signature does not hold: what was signed names {', '.join(sorted(signed))}, with other digests than it says"
    return ""


def _find_revocation(tx: Transaction, key: Key) -> int:
    """Return the number of the entry that revoked a key."""
    history = tx.records.list_history("key", key.key_id)
    return next(record.seq for record in history if key_from_json(record.body).revoked_at is not None)


def find_actor(tx: Transaction, seq: int) -> str:
    """Return who did what an entry tells of."""
    return tx.ledger.get(seq).draft.actor.actor_id
