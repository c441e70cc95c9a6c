"""Small ledgers and their exports, written straight from the format: every byte is in the test's hands."""

import base64
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from incumbent.base.documents import document_bytes
from incumbent.ledger.entry import Actor, Draft, ObjectRef, commit, encode_entry, format_time
from incumbent.ledger.note import (
    checkpoint_body,
    cosignature_line,
    cosigned_bytes,
    key_hash,
    key_name,
    key_text,
    signature_line,
    write_note,
)
from incumbent.ledger.offline import verify_export
from incumbent.ledger.proof import EntryProof, prove_inclusion
from incumbent.ledger.statement import assemble_envelope, statement_bytes, statement_payload

AT = datetime(2026, 11, 25, 14, tzinfo=UTC)
LOG, TENANT = "incumbent/3f9c0a", "default"
BUNDLE = "blake3:" + "ab" * 32


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def reference_root(bodies):
    """RFC 9162 §2.1.1, word for word."""
    if not bodies:
        return hashlib.sha256(b"").digest()
    if len(bodies) == 1:
        return hashlib.sha256(b"\x00" + bodies[0]).digest()
    k = 1
    while k * 2 < len(bodies):
        k *= 2
    return hashlib.sha256(b"\x01" + reference_root(bodies[:k]) + reference_root(bodies[k:])).digest()


def private(number):
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public(key):
    return key.public_key().public_bytes_raw()


def first_form(draft, key):
    """Return a draft with its statement as releases before 2026-11-26 wrote it: without the signer's words."""
    statement = json.loads(base64.b64decode(draft.statement["payload"]))
    words = {"reason", "reason_commitment"}
    predicate = {name: value for name, value in statement["predicate"].items() if name not in words}
    payload = document_bytes({**statement, "predicateType": "urn:incumbent:act:v1", "predicate": predicate})
    return replace(draft, statement=assemble_envelope(payload, {key_name(public(key)): key.sign(statement_bytes(payload))}))


class Export:
    """An export in the making. `files()` gives its members, `packed()` the archive."""

    def __init__(self, key=None, log=LOG):
        self.log, self.ruling, self.signers = log, key or private(1), [key or private(1)]
        self.bodies, self.notes, self.records, self.payloads = [], {}, [], []
        self.at = AT
        self.append(Draft("begin", ObjectRef("ledger", log), Actor("ann"), after=key_text(public(self.ruling))))

    def append(self, draft=None, *, seal=True, **fields):
        draft = draft or Draft("note", ObjectRef("version", "flights-late@1"), Actor("ann"))
        entry = encode_entry(replace(draft, **fields), log=self.log, tenant=TENANT, seq=len(self.bodies), at=self.at)
        self.bodies.append(entry.body)
        self.at += timedelta(seconds=1)
        if seal:
            self.seal()
        return entry

    def seal(self):
        size = len(self.bodies)
        body = checkpoint_body(self.log, size, reference_root(self.bodies))
        self.notes[size] = write_note(body, [signature_line(self.log, public(key), key.sign(body)) for key in self.signers])
        self.signers = [self.ruling]

    def rotate(self, new):
        draft = Draft("rotate-key", ObjectRef("ledger", self.log), Actor("ann"))
        self.signers.append(new)
        before, self.ruling = self.ruling, new
        self.append(draft, before=key_text(public(before)), after=key_text(public(new)))

    def record(self, act, kind, object_id, document, **fields):
        body = document_bytes(document)
        entry = self.append(Draft(act, ObjectRef(kind, object_id, sha256(body)), Actor("root"), **fields))
        self.records.append({"kind": kind, "id": object_id, "seq": entry.seq, "digest": sha256(body), "body": b64(body)})
        return entry

    def add_key(self, person, key):
        document = {"key_id": key_name(public(key)), "person_id": person, "public": b64(public(key)), "revoked_at": None}
        return self.record("add-key", "key", key_name(public(key)), document)

    def revoke(self, person, key):
        document = {"key_id": key_name(public(key)), "person_id": person, "public": b64(public(key)), "revoked_at": format_time(self.at)}
        return self.record("revoke-key", "key", key_name(public(key)), document)

    def approval(self, person, key, **said):
        """Return the draft of an approval, signed; `said` is what the person signed differently from what the draft says."""
        draft = Draft("approve", ObjectRef("version", "flights-late@1"), Actor(person), refs={"bundle": BUNDLE}, after="approved")
        fields = {
            "log": self.log, "tenant": TENANT, "act": "approve", "subjects": {"bundle": BUNDLE}, "meaning": "I approve", "signer": person,
            "name_commitment": "", "at": format_time(self.at), "object_name": "version flights-late@1", "after": "approved",
        }  # fmt: skip
        payload = statement_payload(**{**fields, **said})
        return replace(draft, statement=assemble_envelope(payload, {key_name(public(key)): key.sign(statement_bytes(payload))}))

    def keep(self, text, salt=bytes(32)):
        committed = commit(text, salt)
        self.payloads.append({"commitment": committed, "salt": b64(salt), "text": b64(text)})
        return committed

    def cosign(self, name, key, at_s, size=None):
        size = size or max(self.notes)
        body = self.notes[size].rpartition("\n\n")[0].encode() + b"\n"
        self.notes[size] += cosignature_line(name, public(key), at_s, key.sign(cosigned_bytes(body, at_s)))

    def files(self):
        found = {
            "manifest.json": json.dumps({"format": 1, "log": self.log, "tenant": TENANT, "size": len(self.bodies)}).encode(),
            "entries.jsonl": b"".join(body + b"\n" for body in self.bodies),
            "records.jsonl": lines(self.records),
            "payloads.jsonl": lines(self.payloads),
        }
        return found | {f"checkpoints/{size}.note": note.encode() for size, note in self.notes.items()}

    def packed(self):
        return pack(self.files())


def b64(data):
    return base64.b64encode(data).decode()


def lines(documents):
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def pack(files):
    """Return an archive of name -> bytes, open for reading."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    file.seek(0)
    return file


def full_export():
    """An export that has one of everything: rotation, keys, an approval, a text, an erased text, a document."""
    made = Export()
    made.record("set-policy", "policy", "flights-late", {"rules": ["auc"]})
    made.add_key("bob", private(7))
    made.append(made.approval("bob", private(7)))
    made.rotate(private(2))
    made.append(payloads={"reason": made.keep(b"a long reason")})
    gone = commit(b"Ann Lee", bytes([9]) * 32)
    made.append(payloads={"name": gone}, reason='quotes " and \\ and \u00fc\n')
    made.append(Draft("erase", ObjectRef("payload", gone), Actor("root"), reason="asked to"))
    made.payloads.append({"commitment": gone, "erased_at": format_time(made.at)})
    return made


def failed(made, **asked):
    """Return the numbers of the checks that failed; `made` is an export or its files."""
    found = verify_export(pack(made) if isinstance(made, dict) else made.packed(), **asked)
    numbers = {check.number for check in found.checks if check.outcome == "failed"}
    assert found.is_sound == (not numbers)
    return numbers


def detail(made, number, **asked):
    return next(check.detail for check in verify_export(made.packed(), **asked).checks if check.number == number)


def vkey(name, key):
    return f"{name}+{key_hash(name, public(key), is_cosigner=True).hex()}+{b64(bytes([4]) + public(key))}"


def forge(made, seq, old, new):
    """Return the files with an entry's text changed, and nothing else."""
    assert old in made.bodies[seq]
    made.bodies[seq] = made.bodies[seq].replace(old, new)
    return made


def proof_of(index, size, get_node, root, *, extra=b""):
    """Return the proof of an entry, with the checkpoint that the first key signs."""
    key = private(1)
    body = checkpoint_body(LOG, size, root)
    text = write_note(body, [signature_line(LOG, public(key), key.sign(body))])
    return EntryProof(index, tuple(prove_inclusion(index, size, get_node)), text, extra)
