"""What stands behind a sign-off besides its person: whether its signature holds, and on whose word the signer's identity rests.

A signature is verified each time anew, against the entry that it stands in and the key that is bound to the person: what somebody
wrote into the database past the product counts for nothing. Who vouched and who bound are read from the documents, and where those
are from before that was kept, from the entries that made them.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.base.errors import Refused
from incumbent.governance.fields import format_time
from incumbent.governance.person import Key, Person, key_from_json, person_from_json
from incumbent.governance.quorum import Standing
from incumbent.governance.sign_off import SignOff
from incumbent.governance.vouching import VOUCHED, Vouching, Word, find_backing, find_own_word, grow, list_vouchers
from incumbent.ledger.primitives import Malformed, open_envelope, read_statement
from incumbent.ledger.statement import check_signed
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
            voucher = then.vouched_by or _actor(tx, record.seq)
        else:
            voucher = _actor(tx, record.seq) if (then.roles - before.roles) & VOUCHED else ""
        if then.grouped_by or not then.group:
            grouped_by = then.grouped_by
        elif before is None or then.group != before.group:
            grouped_by = _actor(tx, record.seq)
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


def list_keys(tx: Transaction) -> list[Key]:
    """Return every key that was ever bound, each with who bound it, oldest first."""
    return [bound(tx, key_from_json(record.body)) for record in tx.records.list_all("key")]


def bound(tx: Transaction, key: Key) -> Key:
    """Return a key with who bound it, also where its document does not say."""
    if key.bound_by:
        return key
    return replace(key, bound_by=_actor(tx, tx.records.list_history("key", key.key_id)[0].seq))


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
    vouching, keys = read_vouching(tx), {key.key_id: key for key in list_keys(tx)}
    found = {}
    for seq, sign_off in given:
        person, key = people.get(sign_off.person_id), keys.get(sign_off.key_id)
        fault = _find_fault(tx, seq, sign_off, key)
        if person is None or key is None:
            found[sign_off.sign_off_id] = Standing((), fault)
            continue
        vouchers = list_vouchers(vouching, person.person_id, key, is_grouped=is_grouped)
        own_word = find_own_word(vouching, person, key, is_grouped=is_grouped)
        found[sign_off.sign_off_id] = Standing(vouchers, fault, own_word, find_backing(vouching, key))
    return found


def _find_fault(tx: Transaction, seq: int, sign_off: SignOff, key: Key | None) -> str:
    if key is None or key.person_id != sign_off.person_id:
        return f"{sign_off.key_id} is no key of {sign_off.person_id}"
    since = key.compromised_since
    if since is not None and sign_off.at >= since:
        return f"its key {key.key_id} may have been in other hands since {format_time(since)}"
    if key.revoked_at is not None and _find_revocation(tx, key) < seq:
        return f"its key {key.key_id} was revoked before it"
    try:
        _check_signature(tx, seq, sign_off, key)
    except (Refused, Malformed) as error:
        return f"its signature does not hold: {error}"
    return ""


def _check_signature(tx: Transaction, seq: int, sign_off: SignOff, key: Key) -> None:
    """Pass if the entry is of this very sign-off, and signed by its person over all that it names. Raises Refused, Malformed."""
    entry = tx.ledger.get(seq)
    draft = entry.draft
    said = (draft.act, draft.object.kind, draft.object.object_id, draft.actor.actor_id, draft.after)
    if said != (sign_off.act, "sign-off", sign_off.sign_off_id, sign_off.person_id, sign_off.meaning):
        raise Refused(f"ledger entry {seq} is about something else")
    if draft.object.digest != digest_bytes(document_bytes(sign_off.to_json()), "sha256") or draft.statement != sign_off.statement:
        raise Refused(f"it is not the one that ledger entry {seq} recorded")
    check_signed(draft, base64.b64decode(key.public), log=entry.log, tenant=entry.tenant, at=entry.at)
    payload, _, _ = open_envelope(sign_off.statement)
    _, signed, _ = read_statement(payload)
    if signed != dict(sign_off.names):
        raise Refused(f"what was signed names {', '.join(sorted(signed))}, with other digests than it says")


def _find_revocation(tx: Transaction, key: Key) -> int:
    """Return the number of the entry that revoked a key."""
    history = tx.records.list_history("key", key.key_id)
    return next(record.seq for record in history if key_from_json(record.body).revoked_at is not None)


def _actor(tx: Transaction, seq: int) -> str:
    return tx.ledger.get(seq).draft.actor.actor_id
